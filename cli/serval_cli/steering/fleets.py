"""Steer fleets by hand."""

from typing import Any

from serval.aws.ecs.machines import EcsMachines, NoMachines
from serval.aws.eventbridge.tick_rule import TickRule
from serval.errors import ModelNotFound
from serval.fleets.control import FleetControl
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet
from serval_cli.failures import CommandFailed
from serval_cli.stages.stage import Stage


def control_of(stage: Stage) -> FleetControl:
    """Build the control of a stage's fleets.

    Only the ticks that it switches on hand requests to SageMaker.
    """
    return FleetControl(
        fleets=stage.fleets,
        states=stage.fleet_states,
        machines=NoMachines() if stage.local else EcsMachines(stage.client("ecs"), stage.name),
        ticks=TickRule(stage.client("events"), stage.name),
    )


def fleet_of(stage: Stage, model: str) -> DeployedFleet:
    """Return the fleet of a model.

    Raises
    ------
    CommandFailed
        If no fleet runs the model.
    """
    try:
        return stage.fleets.of_model(model)
    except ModelNotFound:
        known = ", ".join(stage.fleets.models)
        raise CommandFailed(
            f"model {model!r} runs on no fleet of stage {stage.name!r}, so it has no queue to "
            f"pause or resume; the fleet models are: {known or 'none'}; `serval fleets` shows them"
        ) from None


def describe_pause(stage: Stage, model: str, state: FleetState) -> dict[str, Any]:
    """Describe whether a model is paused, and its open requests."""
    waiting = [one for one in stage.requests.open() if one.model == model]
    return {
        "model": model,
        "fleet": state.fleet,
        "paused": model in state.paused,
        "open": len(waiting),
        "running": sum(one.status == "running" for one in waiting),
        "machines": state.machines,
    }
