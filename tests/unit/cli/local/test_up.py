"""`serval local up` when a step fails: the message names the log, and nothing keeps running."""

import io
import json
import os
import socket
from pathlib import Path

import pytest
from rich.console import Console

from serval_cli.local import server
from serval_cli.local.aws_client import environment
from serval_cli.local.bring_up import BringUp
from serval_cli.local.launcher.sagemaker.server import Program
from serval_cli.local.log_files import StepFailed
from serval_cli.local.platform import EPHEMERAL, Platform
from serval_cli.local.processes.group import ProcessGroup
from serval_cli.local.processes.started import StartedProcesses
from serval_cli.local.progress import PlainSteps, steps_on
from serval_cli.local.state_folder import CHECKOUT, Record, StateFolder
from serval_cli.local.toolchain import NotSetUp, Toolchain

pytestmark = pytest.mark.slow

ENDPOINT = "http://127.0.0.1:1"
"""Nothing listens there."""
BROKEN = "echo first line; echo the reason; exit 3"
ENDLESS = "while :; do sleep 0.1; done"


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def bring_up(folder: Path, *, emulator: str, cdk: str) -> tuple[BringUp, io.StringIO]:
    """Build what brings a stage up, with programs of ours instead of the real ones."""
    state = StateFolder(folder / "state")
    state.logs.mkdir(parents=True)
    toolchain = Toolchain(
        checkout=CHECKOUT,
        emulator_python=program(folder / "emulator", emulator),
        functions_python=folder,
        worker_python=folder,
        cdk=program(folder / "cdk", cdk),
        node=None,
        asset_cache=folder / "assets",
    )
    said = io.StringIO()
    record = Record(ENDPOINT, context={"models": "/models"})
    started = StartedProcesses(state, record)
    steps = PlainSteps(Console(file=said, width=200))
    return BringUp(steps, toolchain, state, started, record), said


def recorded_processes(made: BringUp) -> tuple[ProcessGroup, ...]:
    record = made.folder.read()
    assert record is not None
    return record.processes


def test_a_server_that_ends_is_named_with_its_log_and_the_synth_is_ended(tmp_path: Path) -> None:
    made, _ = bring_up(tmp_path, emulator=BROKEN, cdk=ENDLESS)
    with pytest.raises(StepFailed) as failed:
        made.start(concurrency=8)
    log = made.folder.logs / "server.log"
    assert f"server: ended with 3. The end of its log, {log}:" in str(failed.value)
    assert "the reason" in str(failed.value)
    assert recorded_processes(made) == ()


def test_a_synth_that_fails_ends_the_server_that_is_starting(tmp_path: Path) -> None:
    made, _ = bring_up(tmp_path, emulator=ENDLESS, cdk=BROKEN)
    with pytest.raises(StepFailed, match=r"(?s)synth: ended with 3.*synth\.log.*the reason"):
        made.start(concurrency=8)
    assert recorded_processes(made) == ()


def test_each_step_is_shown_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    made, said = bring_up(tmp_path, emulator=BROKEN, cdk="echo stack | cat")
    made.synthesise()
    shown = [line.rstrip("0123456789. s") for line in said.getvalue().splitlines()]
    assert shown == [
        "· layers: build what changed",
        "✓ layers: build what changed",
        "· synth: run the CDK app",
        "✓ synth: run the CDK app",
    ]


def test_the_cdk_app_is_told_what_the_stage_was_started_with(tmp_path: Path) -> None:
    made, _ = bring_up(tmp_path, emulator=BROKEN, cdk='echo "$@"')
    made.synthesise()
    said = (made.folder.logs / "synth.log").read_text()
    assert "--context stage=local --context models=/models" in said


def test_steps_are_live_on_a_terminal() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with steps_on(console) as steps, steps.step("deploy") as detail:
        detail("api 3/42")
        steps.note("beside it")
    assert "deploy" in screen.getvalue()
    assert "beside it" in screen.getvalue()


def test_a_log_is_shown_from_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "deploy.log"
    log.write_text("".join(f"line {n}\n\n" for n in range(5000)))
    said = str(StepFailed("deploy", log))
    assert said.splitlines()[1:] == [f"  line {n}" for n in range(4980, 5000)]


def test_an_environment_that_is_not_set_up_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    with pytest.raises(NotSetUp, match=r"environments/platform/bin/python, .*`make setup"):
        Toolchain.find(tmp_path)


def find_port(wanted: int | None = None) -> int:
    with server.free_port(wanted) as port:
        return port


def test_a_port_in_use_is_passed_over() -> None:
    port = find_port()
    with socket.create_server((server.HOST, port)):
        assert find_port() > port
        with pytest.raises(server.NoFreePort, match=f"ports {port} to {port} of"):
            find_port(port)


def test_stages_that_start_at_once_do_not_take_the_same_port() -> None:
    with server.free_port(None) as port:
        assert find_port() > port
        with pytest.raises(server.NoFreePort, match=f"ports {port} to {port} of"):
            find_port(port)
    assert find_port(port) == port


def test_endpoints_are_servers_that_know_the_emulator_and_nothing_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    made, _ = bring_up(tmp_path, emulator=BROKEN, cdk="true")
    told = server.endpoint_server(made.toolchain, 4600, tmp_path, tmp_path / "logs")
    program = Program.from_json(json.dumps(told))
    assert program.command[1:] == (str(CHECKOUT / "functions/worker/main.py"), "serve")
    assert program.environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4600"
    assert program.environment["PYTHONPATH"] == str(CHECKOUT / "layers/core/python")
    assert "AWS_PROFILE" not in program.environment
    assert program.logs == tmp_path / "logs"


def test_functions_see_nothing_of_the_callers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    given = server.environment(4600, tmp_path)
    assert not {"AWS_PROFILE", "PYTHONPATH"} & given.keys()
    assert given["HOME"] == given["TMPDIR"] == str(tmp_path)
    assert given["BIND_HOST"] == "127.0.0.1"
    assert given["IOT_MTLS_ENABLED"] == given["SFTP_ENABLED"] == "0"


def test_cdk_sees_no_other_account_and_no_proxy() -> None:
    caller = {"AWS_PROFILE": "work", "HTTPS_PROXY": "http://proxy", "PATH": "/bin"}
    given = environment(ENDPOINT, caller)
    assert not {"AWS_PROFILE", "HTTPS_PROXY"} & given.keys()
    assert given["PATH"] == "/bin"
    assert given["AWS_ENDPOINT_URL"] == ENDPOINT


def test_down_without_a_stage_says_so_and_is_no_error(tmp_path: Path) -> None:
    assert Platform(StateFolder(tmp_path)).down() is False


def test_a_killed_platform_is_announced_and_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port is in use, so that ``up`` goes no further than that."""
    monkeypatch.setattr(Toolchain, "find", lambda: None)
    folder = StateFolder(tmp_path)
    killed = ProcessGroup("server", os.getpid(), "long ago")
    folder.write(Record(ENDPOINT, (killed,), {"infer": "name"}))
    folder.write_local_json(json.loads("{}"))
    platform, said = Platform(folder), io.StringIO()
    assert platform.running() is None
    with socket.create_server((server.HOST, 0)) as taken, pytest.raises(server.NoFreePort):
        platform.up(PlainSteps(Console(file=said, width=200)), port=taken.getsockname()[1])
    assert said.getvalue().splitlines() == [
        f"The platform at {ENDPOINT} was killed: starting afresh.",
        EPHEMERAL,
    ]
    assert not folder.local_json.exists()
