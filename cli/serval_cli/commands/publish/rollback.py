"""``serval rollback``: return to a version that is known to be good."""

from typing import Annotated

import typer

from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.rollouts import control_of, describe_outcome, roll_back
from serval_cli.views import rollouts as rollout_views

app = new_app()


@app.command()
def rollback(
    model: ModelArgument,
    version: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            show_default=False,
            help="A version, as `serval versions` lists them, instead of the one before.",
        ),
    ] = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a model's canary, or go back to an earlier version.

    While a candidate has a share of the traffic, the stable version takes it back. Otherwise the
    version that was stable before becomes stable again.
    """
    control = control_of(find_stage(stage, writes=True))
    ended = roll_back(control, model, version)
    show(describe_outcome(control, ended), rollout_views.steering, as_json=as_json)
