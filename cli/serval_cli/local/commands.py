"""``serval local``: run a stage on this machine."""

import json
import shlex
import signal
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from serval_cli.failures import CommandFailed
from serval_cli.local import fleet_workers, server
from serval_cli.local import permissions as report
from serval_cli.local.aws_client import sdk_variables
from serval_cli.local.log_files import StepFailed
from serval_cli.local.platform import EPHEMERAL, Platform
from serval_cli.local.progress import steps_on
from serval_cli.local.state_folder import StateFolder
from serval_cli.options import FleetsOption, JsonOption, ModelsOption, new_app
from serval_cli.output import errors, note, show
from serval_cli.stages.local_stage import read_local_stage
from serval_cli.views.models import lines

local_app = new_app("Run a stage on this machine.")
WATCH_SECONDS = 0.5


class NotUp(CommandFailed):
    """The local stage does not run."""

    def __init__(self) -> None:
        super().__init__("the local stage is not up: `serval local up` starts it")


@local_app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when it is up, and leave it running.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port to listen on; without it the first free from 4600 on."
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Invocations of a function at a time; more wait.")
    ] = server.INVOCATIONS,
    models: ModelsOption = None,
    fleets: FleetsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the platform and deploy Serval to it; if it runs, deploy what changed."""
    chosen = {"models": models, "fleets": fleets}
    context = {name: str(path) for name, path in chosen.items() if path is not None}
    platform = Platform(StateFolder.locate())
    bring_up(platform, context, as_json=as_json, port=port, concurrency=concurrency)
    try:
        if not detach:
            wait_until_down(platform)
    except KeyboardInterrupt:
        platform.down()
        note("Down; nothing is left running.")


@local_app.command()
def down(as_json: JsonOption = False) -> None:
    """End every process of the platform and remove its temporary files."""
    was_up = Platform(StateFolder.locate()).down()
    show({"was_up": was_up}, view_down, as_json=as_json)


@local_app.command()
def status(as_json: JsonOption = False) -> None:
    """Show whether the stage is up and where it answers; exit code 1 if it is not whole."""
    found = describe_stage(Platform(StateFolder.locate()))
    show(found, view_status, as_json=as_json)
    if not found["running"] or found["ended"]:
        raise typer.Exit(1)


@local_app.command()
def env(
    aws: Annotated[
        bool, typer.Option("--aws", help="What the AWS CLI and SDKs need, for one command.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print where the stage answers, as shell variables."""
    stage = read_local_stage()
    if stage is None:
        raise NotUp
    variables = {"API": stage.api_url, "KEY": stage.api_key, "DATA_BUCKET": stage.data_bucket}
    shown = sdk_variables(stage.aws_endpoint_url) if aws else variables
    show(
        shown,
        lambda pairs: lines(*(f"{name}={shlex.quote(value)}" for name, value in pairs.items())),
        as_json=as_json,
    )


@local_app.command()
def logs(
    function: Annotated[str, typer.Argument(metavar="FUNCTION", help="As `status` names it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the log of a function, a fleet's worker, the server beside it, or an endpoint."""
    # Imported late: no other command here needs boto3's clients.
    from serval_cli.local.function_logs import stage_lines

    folder = StateFolder.locate()
    record = Platform(folder).running()
    if record is None:
        raise NotUp
    for line in stage_lines(folder, record, function, follow=follow):
        typer.echo(json.dumps(line) if as_json else line["message"].rstrip("\n"))


@local_app.command()
def permissions(as_json: JsonOption = False) -> None:
    """List what was refused to roles, and what they are granted and have not used so far."""
    show(report.read_report(StateFolder.locate()), report.view_report, as_json=as_json)


def bring_up(
    platform: Platform, context: Mapping[str, str], *, as_json: bool, **options: Any
) -> None:
    """Bring the stage up, or up to date, and show where it answers."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, interrupt)
    with steps_on(errors()) as steps:
        access = dict(platform.up(steps, context=context, **options))
    show(access, partial(view_up, platform.folder), as_json=as_json)


def interrupt(signum: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that started processes are ended too."""
    raise KeyboardInterrupt


def wait_until_down(platform: Platform) -> None:
    """Wait until the platform is taken down, or raise ``StepFailed`` if it ended by itself."""
    note("Ctrl-C stops it.")
    warned = False
    while platform.running():
        if fleet_workers.NAME in platform.ended_processes() and not warned:
            note(explain_no_supervisor(platform.folder.logs))
            warned = True
        time.sleep(WATCH_SECONDS)
    if platform.folder.read() is not None:
        raise StepFailed("server", platform.folder.logs / "server.log", "ended by itself")


def explain_no_supervisor(logs: Path) -> str:
    """Describe that the supervisor of the fleets' workers has ended."""
    log = logs / f"{fleet_workers.NAME}.log"
    return (
        f"the supervisor of the fleets' workers has ended (see {log}): no worker starts or stops "
        "until `serval local up` is run again"
    )


def describe_stage(platform: Platform) -> dict[str, Any]:
    """Describe the stage for ``status``."""
    record, local_json = platform.running(), platform.folder.local_json
    found: dict[str, Any] = {"running": record is not None, "ephemeral": True, "notice": EPHEMERAL}
    found["ended"] = platform.ended_processes()
    found["killed"] = record is None and platform.folder.read() is not None
    if record is not None:
        access = json.loads(local_json.read_text())
        found["api_url"] = access["api_url"]
        found["aws_endpoint_url"] = record.endpoint
        found["functions"] = dict(record.functions)
        found["workers"] = fleet_workers.list_workers(platform.folder, record)
        found.update(record.context)
        found["local_json"] = str(local_json)
    found["logs"] = str(platform.folder.logs)
    return found


def view_up(folder: StateFolder, access: dict[str, str]) -> RenderableType:
    """Show where to call."""
    return Group(
        Text(f"API      {access['api_url']}"),
        Text(f"API key  {access['api_key']}"),
        Text(f"AWS      {access['aws_endpoint_url']} ({access['region']})"),
        Text(f"All of it is in {folder.local_json}."),
        Text(EPHEMERAL, style="yellow"),
    )


def view_down(result: dict[str, bool]) -> RenderableType:
    """Show what ``down`` did."""
    return Text("Down; nothing is left running." if result["was_up"] else "It was not up.")


def view_status(found: dict[str, Any]) -> RenderableType:
    """Show the state of the stage."""
    if not found["running"]:
        state = "killed, and what it stored is gone" if found["killed"] else "not up"
        return Text(f"The local stage is {state}: `serval local up` starts it.")
    names = ", ".join(sorted(found["functions"]))
    workers = ", ".join(f"{one['worker']} ({one['state']})" for one in found["workers"])
    if found["ended"]:
        workers = explain_no_supervisor(Path(found["logs"]))
    return Group(
        Text(f"The local stage is up{', but not whole' if found['ended'] else ''}."),
        Text(f"API        {found['api_url']}"),
        Text(f"AWS        {found['aws_endpoint_url']}"),
        Text(f"Functions  {names}"),
        Text(f"Workers    {workers or 'none: the fleets sleep'}"),
        Text(f"Key        in {found['local_json']}"),
        Text(EPHEMERAL, style="yellow"),
    )
