"""``serval resume``: take requests from a paused model's queue again."""

from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.fleets import control_of, describe_pause, fleet_of
from serval_cli.views import fleets as fleet_views

app = new_app()


@app.command()
def resume(model: ModelArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Let a paused model's requests go on.

    If requests wait and the fleet sleeps, it is woken within a minute.
    """
    found = find_stage(stage, writes=True)
    fleet_of(found, model)
    state = control_of(found).resume(model)
    show(describe_pause(found, model, state), fleet_views.pause_state, as_json=as_json)
