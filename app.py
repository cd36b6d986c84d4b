"""The CDK app: `cdk deploy --all` deploys a stage of Serval to an AWS account or to the laptop."""

import sys
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from serval.errors import BundleRefused
from stacks.api.api_stack import ApiStack
from stacks.api.models_stack import ModelsStack
from stacks.fleets.fleets_stack import FleetsStack
from stacks.rollouts.stand_ins import StandIns
from stacks.stage.bundle_folders import DeclaredTwice
from stacks.stage.capacity import StageTooLarge, TooMuchToTell, check_capacity
from stacks.stage.context import Context, InvalidContext
from stacks.stage.deployed_models import read_models
from stacks.stage.handler_code import HandlerNotDeployable
from stacks.stage.layers import LayersNotBuilt
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

ROOT = Path(__file__).parent
EXAMPLES = ROOT / "models"
REFUSALS = (
    BundleRefused,
    DeclaredTwice,
    HandlerNotDeployable,
    InvalidContext,
    LayersNotBuilt,
    StageTooLarge,
    TooMuchToTell,
)


def build(
    app: App,
    layers: Path = ROOT / "build/layers",
    models: Path = EXAMPLES,
    fleets: Path | None = None,
) -> App:
    """Compose the stacks of the stage that the app's context describes.

    Examples on fleets are left out unless the context or the stage names a file of fleets.
    """
    stage, context = Stage.from_context(app.node), Context(app.node)
    models, fleets = context.path("models", models), context.path("fleets", fleets or stage.fleets)
    deployed = read_models(models, fleets, light_alone=fleets is None and models == EXAMPLES)
    check_capacity(deployed)
    storage = StorageStack(app, "storage", stage=stage)
    stand_ins = StandIns.install(deployed, stage.layers)
    api = ApiStack(
        app,
        "api",
        stage=stage,
        storage=storage,
        built_layers=layers,
        models=deployed,
        stand_ins=stand_ins,
    )
    if deployed.own_functions or stand_ins.packages:
        own = ModelsStack(
            app,
            "models",
            stage=stage,
            storage=storage,
            built_layers=layers,
            models=deployed,
            stand_ins=stand_ins,
        )
        api.add_stack_dependency(own, "routes lead to functions that exist already")
    if deployed.fleets.by_name:
        machines = FleetsStack(app, "fleets", stage=stage, storage=storage, models=deployed)
        machines.add_stack_dependency(api, "endpoints are given topics that exist already")
    if stage.checked:
        Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    return app


if __name__ == "__main__":
    try:
        app = build(App())
    except REFUSALS as refused:
        sys.exit(f"serval: {refused}")
    app.synth()
