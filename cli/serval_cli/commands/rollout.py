"""``serval rollout``: watch a rollout, pause it, let it go on, end it."""

import json
from typing import Annotated, Any

import typer
from rich.live import Live
from typer.core import TyperGroup

from serval.errors import ModelNotFound
from serval.registry import ModelRegistry, Rollout
from serval_cli import rollout_views
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import note, results, show
from serval_cli.rollout_state import Lines, chosen, state, steps_of
from serval_cli.rollout_steering import abort, control_of, find_running, pause, steered
from serval_cli.rollout_wait import RolloutWait
from serval_cli.stages import find_stage

RolloutArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="ROLLOUT", show_default=False, help="Id of the rollout, as `push` says it."
    ),
]
HELP = ("-h", "--help")


class ModelFirst(TyperGroup):
    """A group whose first word may be a model: then it is shown."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the line; ``show`` may be left out."""
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
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a rollout stands: its step, both versions' metrics, the golden check, the reason.

    Without ROLLOUT the one that has a share of the traffic, else one that runs, else the newest.
    """
    registry = find_stage(stage).registry
    found = find(registry, model, rollout)
    if not watch:
        show(state(found, steps_of(registry, found)), rollout_views.rollout, as_json=as_json)
        return
    ended = follow(registry, found, as_json=as_json)
    if not ended.ended:
        note(f"rollout {ended.rollout} does not move any more: look at the stage's state machine")
    if ended.status != "promoted":
        raise typer.Exit(1)


@app.command("pause")
def pause_rollout(
    model: ModelArgument,
    rollout: RolloutArgument = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the running rollout take no further step; it still backs out by itself."""
    hold(model, rollout, stage, paused=True, as_json=as_json)


@app.command("resume")
def resume_rollout(
    model: ModelArgument,
    rollout: RolloutArgument = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a paused rollout go on."""
    hold(model, rollout, stage, paused=False, as_json=as_json)


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
    show(steered(control, ended), rollout_views.steered, as_json=as_json)


def hold(
    model: str, rollout: str | None, stage: str | None, *, paused: bool, as_json: bool
) -> None:
    """Pause, or let go on."""
    control = control_of(find_stage(stage, writes=True))
    held = pause(control, find_running(control, model, rollout), paused=paused)
    show(steered(control, held), rollout_views.held, as_json=as_json)


def find(registry: ModelRegistry, model: str, rollout: str | None) -> Rollout:
    """Find the rollout to show."""
    found = chosen(registry, model) if rollout is None else registry.rollout(model, rollout)
    if found is not None:
        return found
    if rollout is None:
        raise ModelNotFound(model)
    raise CommandFailed(
        f"model {model!r} has no rollout {rollout!r}: `serval describe {model}` lists the last"
    )


def follow(registry: ModelRegistry, rollout: Rollout, *, as_json: bool) -> Rollout:
    """Show a rollout until it ends: live on a terminal, else a line per change."""

    def read() -> Rollout | None:
        return registry.rollout(rollout.model, rollout.rollout)

    def value(seen: Rollout) -> dict[str, Any]:
        return state(seen, steps_of(registry, seen))

    console = results()
    if as_json:
        ended = RolloutWait(read, lambda seen: typer.echo(json.dumps(value(seen)))).end()
    elif console.is_terminal:
        with Live(console=console) as live:
            ended = RolloutWait(
                read, lambda seen: live.update(rollout_views.rollout(value(seen)), refresh=True)
            ).end()
    else:
        ended = RolloutWait(read, Lines(typer.echo).tell).end()
    return ended or rollout
