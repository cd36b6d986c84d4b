"""``serval pause``: the queue of a model is left alone."""

from serval_cli import fleet_views
from serval_cli.fleet_steering import control_of, fleet_of, held
from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages import find_stage

app = new_app()


@app.command()
def pause(model: ModelArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Let a fleet model's requests wait.

    Requests are still taken, and wait; those that run end. The fleet's other models go on, and
    what waits here wakes no machine.
    """
    found = find_stage(stage, writes=True)
    fleet_of(found, model)
    state = control_of(found).pause(model)
    show(held(found, model, state), fleet_views.held, as_json=as_json)
