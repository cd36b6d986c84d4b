"""``serval models``: list the models of a stage."""

from contextlib import suppress
from typing import Any

from serval.errors import ModelNotFound
from serval.models.registry import ModelRegistry
from serval_cli.options import JsonOption, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.views import models as views

app = new_app()


@app.command()
def models(stage: StageOption = None, as_json: JsonOption = False) -> None:
    """List the models of a stage."""
    show({"models": list_models(find_stage(stage).registry)}, views.models, as_json=as_json)


def list_models(registry: ModelRegistry) -> list[dict[str, Any]]:
    """Describe each model in a line."""
    listed = []
    for model in registry.models():
        with suppress(ModelNotFound):  # listed a moment before its first route is written
            route = registry.route(model)
            stable = registry.version(model, route.stable)
            listed.append(
                {
                    "name": model,
                    "description": stable.bundle.get("description", ""),
                    "stable": route.stable,
                    "candidate": route.candidate,
                    "percent": route.percent,
                }
            )
    return listed
