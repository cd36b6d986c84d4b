"""Processes that `serval local` starts are found again, and ended with all they started."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serval_cli.local.processes import table as process_table
from serval_cli.local.processes.group import ProcessGroup
from serval_cli.local.processes.started import Ended, StartedProcesses
from serval_cli.local.state_folder import Record, StateFolder

CHILD_THAT_IGNORES = """
import signal, subprocess, sys, time
if sys.argv[1:]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
else:
    subprocess.Popen([sys.executable, __file__, "child"])
time.sleep(60)
"""


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not within 60 s"
        time.sleep(0.01)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], ProcessGroup]]:
    """Start a process with a child that ignores SIGTERM, in a group of their own."""
    program = tmp_path / "family.py"
    program.write_text(CHILD_THAT_IGNORES)
    leader = subprocess.Popen(
        [sys.executable, program],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    group = ProcessGroup.of("family", leader.pid)
    assert leader.stdout is not None
    leader.stdout.readline()
    yield leader, group
    group.end(grace_seconds=0.1)
    leader.wait()
    leader.stdout.close()


def test_a_group_is_ended_with_the_child_that_ignores_sigterm(
    family: tuple[subprocess.Popen[str], ProcessGroup],
) -> None:
    _, group = family
    assert len(group.members()) == 2
    group.end(grace_seconds=0.2)
    assert group.members() == []


def test_an_orphan_is_ended_though_its_leader_was_killed(
    family: tuple[subprocess.Popen[str], ProcessGroup],
) -> None:
    leader, group = family
    leader.kill()
    leader.wait()
    assert not group.leads()
    assert len(group.members()) == 1
    group.end(grace_seconds=0.1)
    assert group.members() == []


def test_another_process_with_the_same_pid_is_left_alone(
    family: tuple[subprocess.Popen[str], ProcessGroup],
) -> None:
    leader, group = family
    earlier = ProcessGroup("earlier", group.pid, "long ago")
    assert not earlier.leads()
    earlier.end(grace_seconds=0.1)
    assert leader.poll() is None
    assert len(group.members()) == 2


def test_a_process_that_ended_but_is_not_collected_does_not_run() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    eventually(lambda: process.pid not in process_table.list_processes())
    process.wait()


def test_what_ps_says_is_what_proc_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def ps(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        table = "  7   7 Ss   Sat Nov 21 02:00:00 2026\n  8   7 Z+   Sat Nov 21 02:00:01 2026\n"
        return subprocess.CompletedProcess(command, 0, table)

    monkeypatch.setattr(process_table.subprocess, "run", ps)
    entry = process_table.Entry(7, 7, "Sat Nov 21 02:00:00 2026")
    assert list(process_table.from_ps()) == [entry]


def test_what_an_earlier_command_started_is_ended_by_its_name(
    family: tuple[subprocess.Popen[str], ProcessGroup], tmp_path: Path
) -> None:
    _, group = family
    server = ProcessGroup("server", 1, "long ago")
    folder = StateFolder(tmp_path)
    started = StartedProcesses(folder, Record("http://127.0.0.1:1", (server, group)))
    started.end_earlier("family", grace_seconds=0.2)
    assert group.members() == []
    assert folder.read() == Record("http://127.0.0.1:1", (server,))


def test_processes_are_recorded_while_they_run(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    started = StartedProcesses(folder, Record("http://127.0.0.1:1"))
    process = started.start(
        "sleeper",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        environment={},
        folder=tmp_path,
        output=subprocess.DEVNULL,
    )
    recorded = folder.read()
    assert recorded is not None
    assert [(one.name, one.pid, one.leads()) for one in recorded.processes] == [
        ("sleeper", process.pid, True)
    ]
    started.end()
    process.wait()
    assert folder.read() == Record("http://127.0.0.1:1")
    with pytest.raises(Ended, match="another"):
        started.start("another", ["true"], environment={}, folder=tmp_path, output=-1)
