"""What environments use, who is ended with them, and how that is worded."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from serval_cli.local.launcher.patches.functions.environments import memory
from serval_cli.local.launcher.patches.functions.environments.ended import exit_reason
from serval_cli.local.launcher.patches.functions.environments.memory import Process

MIB = 1024 * 1024
FAMILY = """
import subprocess, sys
held = b"x" * 64 * 2**20
child = subprocess.Popen([sys.executable, "-c", "print(0, flush=True); input()"])
del held
input()
"""


@pytest.fixture
def family() -> Iterator["subprocess.Popen[str]"]:
    """Start a process that freed 64 MiB, with a child that has answered."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    with process:
        yield process


@pytest.mark.skipif(not memory.PROC.exists(), reason="Linux alone records the peak")
def test_memory_that_was_freed_counts(family: "subprocess.Popen[str]") -> None:
    assert memory.peak_bytes(family.pid) > 64 * MIB


def test_a_process_is_ended_with_what_it_started(family: "subprocess.Popen[str]") -> None:
    assert len(memory.descendants(family.pid, memory.list_processes())) == 1
    memory.kill(family.pid)
    family.wait()
    assert family.stdout is not None
    assert family.stdout.read() == "", "the child still holds the pipe"


def test_what_has_ended_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert memory.peak_bytes(ended.pid) == 0
    memory.kill(ended.pid)


def test_descendants_are_found_over_generations() -> None:
    family = [Process(2, 1, 0), Process(3, 2, 0), Process(4, 3, 0), Process(5, 1, 0)]
    assert [one.pid for one in memory.descendants(2, family)] == [3, 4]


def test_this_process_is_listed_with_its_memory() -> None:
    (own,) = [one for one in memory.list_processes() if one.pid == os.getpid()]
    assert own.parent == os.getppid()
    assert own.resident_bytes > 10 * MIB


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (-9, "exited with error: signal: killed"),
        (-11, "exited with error: signal: segmentation fault"),
        (1, "exited with error: exit status 1"),
        (0, "exited without providing a reason"),
    ],
)
def test_an_exit_is_worded_as_lambda_words_it(status: int, said: str) -> None:
    assert exit_reason(status) == said
