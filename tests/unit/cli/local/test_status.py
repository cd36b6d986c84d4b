"""`serval local status` when what the stage consists of has ended by itself."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serval_cli.local.commands import local_app
from serval_cli.local.processes.group import ProcessGroup
from serval_cli.local.state_folder import Record, StateFolder

ENDPOINT = "http://127.0.0.1:1"
Processes = dict[str, "subprocess.Popen[bytes]"]


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Start two processes that stand for the emulator and the supervisor."""
    waits = [sys.executable, "-c", "input()"]
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                subprocess.Popen(waits, stdin=subprocess.PIPE, start_new_session=True)
            )
            for name in ("server", "fleets")
        }


@pytest.fixture
def folder(tmp_path: Path, processes: Processes) -> StateFolder:
    folder = StateFolder(tmp_path)
    groups = tuple(ProcessGroup.of(name, one.pid) for name, one in processes.items())
    folder.write(Record(ENDPOINT, groups, {"infer": "name"}))
    folder.write_local_json({"api_url": ENDPOINT})
    return folder


def status(folder: StateFolder, *words: str) -> Any:
    environment = {"SERVAL_STATE": str(folder.path), "COLUMNS": "500"}
    return CliRunner().invoke(local_app, ["status", *words], env=environment)


def test_a_stage_that_is_whole_is_up(folder: StateFolder) -> None:
    said = status(folder, "--json")
    assert (said.exit_code, json.loads(said.stdout)["ended"]) == (0, [])
    assert "The local stage is up.\n" in status(folder).stdout


def test_a_supervisor_that_was_killed_is_told(folder: StateFolder, processes: Processes) -> None:
    processes["fleets"].kill()
    processes["fleets"].wait()
    said = status(folder, "--json")
    found = json.loads(said.stdout)
    assert (said.exit_code, found["running"], found["ended"]) == (1, True, ["fleets"])
    told = status(folder)
    assert told.exit_code == 1
    assert "The local stage is up, but not whole.\n" in told.stdout
    assert "the supervisor of the fleets' workers has ended" in told.stdout
    assert "the fleets sleep" not in told.stdout


def test_an_emulator_that_was_killed_is_told(folder: StateFolder, processes: Processes) -> None:
    processes["server"].kill()
    processes["server"].wait()
    said = status(folder, "--json")
    found = json.loads(said.stdout)
    assert (said.exit_code, found["running"], found["ended"]) == (1, False, ["server"])
    assert found["killed"]
    assert "killed, and what it stored is gone" in status(folder).stdout
