"""``serval pause``: stop taking requests from a model's queue."""

from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.fleets import control_of, describe_pause, fleet_of
from serval_cli.views import fleets as fleet_views

app = new_app()


@app.command()
def pause(model: ModelArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Let a fleet model's requests wait.

    Requests are still accepted, and running ones finish. The fleet's other models go on, and
    requests that wait wake no machine.
    """
    found = find_stage(stage, writes=True)
    fleet_of(found, model)
    state = control_of(found).pause(model)
    show(describe_pause(found, model, state), fleet_views.pause_state, as_json=as_json)
