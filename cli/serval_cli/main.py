"""The entry point of ``serval``, and the table of its commands."""

import os
import sys
from io import TextIOWrapper
from typing import Annotated, cast

import typer
from typer.core import TyperGroup

from serval.models.metadata import VERSION
from serval_cli.failures import explain
from serval_cli.lazy import LazyCommand
from serval_cli.options import STAGE_VARIABLE, StageOption
from serval_cli.output import complain

COMMANDS = {
    "init": ("serval_cli.commands.publish.init:app", "Make a bundle from what you have."),
    "push": ("serval_cli.commands.publish.push:app", "Publish a bundle."),
    "secrets": (
        "serval_cli.commands.publish.secrets:app",
        "Set, list and delete the secrets of a model's handler.",
    ),
    "lock": ("serval_cli.commands.publish.lock:app", "Pin the packages of a bundle's handler."),
    "pipeline": (
        "serval_cli.commands.publish.pipeline:app",
        "Show what pipelines are made of.",
    ),
    "models": ("serval_cli.commands.call.models:app", "List the models of a stage."),
    "describe": (
        "serval_cli.commands.call.describe:app",
        "Show a model's route, versions, signature and last rollouts.",
    ),
    "rollout": (
        "serval_cli.commands.publish.rollout:app",
        "Watch and steer rollouts; `serval rollout MODEL` shows one.",
    ),
    "promote": (
        "serval_cli.commands.publish.promote:app",
        "Make a rollout's candidate stable now.",
    ),
    "rollback": (
        "serval_cli.commands.publish.rollback:app",
        "End a model's canary, or go back to an earlier version.",
    ),
    "versions": ("serval_cli.commands.publish.versions:app", "List the versions of a model."),
    "diff": ("serval_cli.commands.publish.diff:app", "Compare two versions of a model."),
    "infer": ("serval_cli.commands.call.infer:app", "Send an inference request to a model."),
    "try": (
        "serval_cli.commands.call.attempt:app",
        "Try a model with a text, a file or a row.",
    ),
    "golden": ("serval_cli.commands.publish.golden:app", "Add golden requests to a bundle."),
    "batch": ("serval_cli.commands.call.batch:app", "Start and follow batch jobs."),
    "schedules": (
        "serval_cli.commands.call.schedules:app",
        "List the schedules of a stage: batch jobs and retraining, their next times, dead letters.",
    ),
    "fleets": (
        "serval_cli.commands.heavy.fleets:app",
        "List the fleets: their machines, what waits for them, their workers.",
    ),
    "requests": (
        "serval_cli.commands.heavy.requests:app",
        "List async requests, the newest first.",
    ),
    "request": (
        "serval_cli.commands.heavy.request:app",
        "Show an async request, or fetch its result.",
    ),
    "redrive": (
        "serval_cli.commands.heavy.redrive:app",
        "Send the dead letters of a model back to work, or look at them.",
    ),
    "pause": ("serval_cli.commands.heavy.pause:app", "Let a fleet model's requests wait."),
    "resume": ("serval_cli.commands.heavy.resume:app", "Let a paused model's requests go on."),
    "simulate": (
        "serval_cli.commands.heavy.simulate:app",
        "Simulate a fleet of spot machines under a trace of requests.",
    ),
    "keys": ("serval_cli.commands.stages.keys:app", "Create, list and revoke API keys."),
    "invoke": (
        "serval_cli.commands.stages.invoke:app",
        "Invoke a function with an event from a file.",
    ),
    "use": ("serval_cli.commands.stages.use:app", "Choose the stage that commands work on."),
    "deploy": (
        "serval_cli.commands.stages.deploy:app",
        "Deploy a stage, after showing what that means.",
    ),
    "local": ("serval_cli.local.commands:local_app", "Run a stage on this machine."),
}
"""Command → its Typer app, and its summary in ``serval --help``."""
PANELS = {
    "Publish": (
        "init",
        "lock",
        "golden",
        "secrets",
        "push",
        "pipeline",
        "rollout",
        "promote",
        "rollback",
        "versions",
        "diff",
    ),
    "Call": ("try", "infer", "batch", "models", "describe", "schedules"),
    "Heavy models": ("fleets", "requests", "request", "redrive", "pause", "resume", "simulate"),
    "Stages": ("use", "local", "deploy", "keys", "invoke"),
}
"""The groups of ``serval --help``."""

shell = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


def print_version(wanted: bool) -> None:
    """Print the version and exit, if asked to."""
    if wanted:
        typer.echo(f"serval {VERSION}")
        raise typer.Exit


@shell.callback()
def serval(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
    stage: StageOption = None,
) -> None:
    """Turn a folder with a trained model into a production API in your own AWS account."""
    if stage is not None:
        # The command's own --stage takes precedence over this variable.
        os.environ[STAGE_VARIABLE] = stage


def program() -> TyperGroup:
    """Build the command line without importing a command."""
    group = cast(TyperGroup, typer.main.get_command(shell))
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    for name, (place, summary) in COMMANDS.items():
        group.add_command(LazyCommand(name, place, summary, panels.get(name)))
    return group


def main() -> None:
    """Run the command line: 0, or 1 when the command failed, 2 for wrong usage, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows a question mark instead of a traceback.
        cast(TextIOWrapper, stream).reconfigure(errors="replace")
    try:
        program().main(prog_name="serval")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        explanation = explain(error)
        if explanation is None:
            raise
        complain(explanation)
        sys.exit(1)


if __name__ == "__main__":
    main()
