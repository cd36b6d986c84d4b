"""Warn about fleet models that cannot answer at once."""

from serval_cli.failures import CommandFailed
from serval_cli.output import note
from serval_cli.stages.stage import Stage


def runs_on_fleet(stage: Stage, model: str, *, patient: bool) -> bool:
    """Return whether a model runs on a fleet, noting what its answer has to wait for.

    Parameters
    ----------
    patient
        Whether the caller waits however long it takes.

    Raises
    ------
    CommandFailed
        If the model is paused and the caller does not wait.
    """
    if model not in stage.fleets.models:
        return False
    fleet = stage.fleets.of_model(model)
    state = stage.fleet_states.find(fleet.name)
    if model in state.paused:
        paused = f"model {model!r} is paused, so nothing answers until `serval resume {model}`"
        if not patient:
            raise CommandFailed(f"{paused}; --wait leaves a request there and waits for its answer")
        note(paused)
    elif state.asleep:
        offer = "" if patient else "; after 25 s the request goes on without you, --wait stays"
        note(f"fleet {fleet.name!r} sleeps: this wakes it, which takes minutes in AWS{offer}")
    return True
