"""The CDK app: `cdk deploy --all` puts a stage of Serval into an AWS account or on the laptop."""

from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from stacks.api_stack import ApiStack
from stacks.own_functions import own_functions
from stacks.stage import Stage
from stacks.storage_stack import StorageStack

ROOT = Path(__file__).parent


def build(app: App, layers: Path = ROOT / "build/layers", models: Path = ROOT / "models") -> App:
    """Compose the stacks of the stage that the app's context asks for."""
    stage = Stage.from_context(app.node)
    storage = StorageStack(app, "storage", stage=stage)
    ApiStack(
        app,
        "api",
        stage=stage,
        storage=storage,
        built_layers=layers,
        own_functions=own_functions(models),
    )
    if stage.checked:
        Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    return app


if __name__ == "__main__":
    build(App()).synth()
