"""``serval promote``: skip the remaining canary steps."""

from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.rollouts import control_of, describe_outcome, find_running, promote
from serval_cli.views import rollouts as rollout_views

app = new_app()


@app.command("promote")
def promote_candidate(
    model: ModelArgument, stage: StageOption = None, as_json: JsonOption = False
) -> None:
    """Make a rollout's candidate stable now.

    Its remaining canary steps are skipped. A version that is still being verified cannot be
    promoted.
    """
    control = control_of(find_stage(stage, writes=True))
    ended = promote(control, find_running(control, model))
    show(describe_outcome(control, ended), rollout_views.steering, as_json=as_json)
