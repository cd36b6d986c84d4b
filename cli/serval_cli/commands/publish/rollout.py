"""``serval rollout``: watch, pause, resume and abort rollouts."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.live import Live
from typer.core import TyperGroup

from serval.errors import ModelNotFound
from serval.models.registry import ModelRegistry, Rollout
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.standing import choose_rollout
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, ModelArgument, PatienceOption, StageOption, new_app
from serval_cli.output import note, results, show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.rollout_state import (
    RolloutLines,
    describe_rollout,
    policy_of,
)
from serval_cli.steering.rollout_wait import RolloutWait, timeout_or_default
from serval_cli.steering.rollouts import abort, control_of, describe_outcome, find_running, pause
from serval_cli.views import rollouts as rollout_views

RolloutArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="ROLLOUT", show_default=False, help="Id of the rollout, as `push` prints it."
    ),
]
HELP = ("-h", "--help")


class ModelFirst(TyperGroup):
    """A command group that takes an unknown first word for a model to show."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert ``show`` where it was left out."""
        if args and args[0] not in self.commands and args[0] not in HELP:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = new_app("Watch and steer rollouts; `serval rollout MODEL` shows one.")
app.info.cls = ModelFirst


@app.command("show")
def show_rollout(
    model: ModelArgument,
    rollout: RolloutArgument = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until the rollout ends; 0 only if promoted.")
    ] = False,
    timeout: PatienceOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a rollout stands: its step, both versions' metrics, the golden check, the reason.

    Without ROLLOUT: the one that has a share of the traffic, else a running one, else the newest.
    """
    registry = find_stage(stage).registry
    found = find_rollout(registry, model, rollout)
    if not watch:
        show(
            describe_rollout(found, policy_of(registry, found)),
            rollout_views.rollout,
            as_json=as_json,
        )
        return
    seconds = timeout_or_default(timeout)
    ended = follow(registry, found, seconds, as_json=as_json)
    if not ended.ended:
        note(explain_timeout(ended, seconds))
    if ended.status != "promoted":
        raise typer.Exit(1)


@app.command("pause")
def pause_rollout(
    model: ModelArgument,
    rollout: RolloutArgument = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the running rollout from advancing; it still rolls back by itself."""
    set_paused(model, rollout, stage, paused=True, as_json=as_json)


@app.command("resume")
def resume_rollout(
    model: ModelArgument,
    rollout: RolloutArgument = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a paused rollout go on."""
    set_paused(model, rollout, stage, paused=False, as_json=as_json)


@app.command("abort")
def abort_rollout(
    model: ModelArgument,
    rollout: RolloutArgument = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Roll the running rollout back, whether or not it has a share of the traffic yet."""
    control = control_of(find_stage(stage, writes=True))
    ended = abort(control, find_running(control, model, rollout))
    show(describe_outcome(control, ended), rollout_views.steering, as_json=as_json)


def set_paused(
    model: str, rollout: str | None, stage: str | None, *, paused: bool, as_json: bool
) -> None:
    """Pause or resume a rollout."""
    control = control_of(find_stage(stage, writes=True))
    held = pause(control, find_running(control, model, rollout), paused=paused)
    show(describe_outcome(control, held), rollout_views.pause_state, as_json=as_json)


def find_rollout(registry: ModelRegistry, model: str, rollout: str | None) -> Rollout:
    """Find the rollout to show."""
    found = choose_rollout(registry, model) if rollout is None else registry.rollout(model, rollout)
    if found is not None:
        return found
    if rollout is None:
        raise ModelNotFound(model)
    raise CommandFailed(
        f"model {model!r} has no rollout {rollout!r}: `serval describe {model}` lists the last"
    )


def explain_timeout(rollout: Rollout, timeout_seconds: float | None) -> str:
    """Explain why the command stopped watching a rollout that still runs."""
    if timeout_seconds is None:
        return f"rollout {rollout.rollout} has stopped moving: look at the stage's state machine"
    return (
        f"rollout {rollout.rollout} still runs after {timeout_seconds:g} s, and goes on unwatched: "
        "--timeout watches longer"
    )


def follow(
    registry: ModelRegistry, rollout: Rollout, timeout_seconds: float | None, *, as_json: bool
) -> Rollout:
    """Show a rollout until it ends or time is up: live on a terminal, else a line per change."""

    def read() -> Rollout | None:
        return registry.rollout(rollout.model, rollout.rollout)

    def policy(seen: Rollout) -> CanaryPolicy | None:
        return policy_of(registry, seen)

    def wait(tell: Callable[[Rollout], None]) -> Rollout:
        return RolloutWait(read, tell, timeout_seconds).end() or rollout

    console = results()
    if as_json:
        return wait(lambda seen: typer.echo(json.dumps(describe_rollout(seen, policy(seen)))))
    if not console.is_terminal:
        return wait(RolloutLines(typer.echo, policy).report)
    with Live(console=console) as live:
        return wait(
            lambda seen: live.update(
                rollout_views.rollout(describe_rollout(seen, policy(seen))), refresh=True
            )
        )
