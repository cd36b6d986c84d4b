"""Lambda's limits on a function, by functions of a few lines in the emulator: no stage."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serval_cli.local.server import PYTHON_SOURCES, environment
from serval_cli.local.toolchain import Toolchain

DRIVER = Path(__file__).with_name("emulated_functions.py")
LONG = 600
DOES = """
import os, subprocess, sys, time
def handler(event, context):
    if "free" in event:
        bytes(0) + b"x" * event["free"] * 2**20
    if "allocate" in event:
        held = b"x" * event["allocate"] * 2**20
    if "child" in event:
        code = f"held = b'x' * {event['child']} * 2**20; import time; time.sleep(600)"
        print("child", subprocess.Popen([sys.executable, "-c", code]).pid, flush=True)
    if "exit" in event:
        os._exit(event["exit"])
    if "signal" in event:
        os.kill(os.getpid(), event["signal"])
    time.sleep(event.get("sleep", 0))
    return os.getpid()
"""
ONCE = """
import os, pathlib, time
marker = pathlib.Path({marker!r})
if not marker.exists():
    marker.touch()
    {then}
def handler(event, context):
    return os.getpid()
"""


@dataclass
class Functions:
    """The emulator with functions in it."""

    process: "subprocess.Popen[str]"
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def send(self, name: str, event: dict[str, Any], **function: Any) -> str:
        """Begin an invocation; gives its request id."""
        request_id = f"request-{next(self.numbers)}"
        told = {"code": DOES, "memory": 128, "timeout": LONG} | function
        line = json.dumps({**told, "name": name, "event": event, "id": request_id})
        print(line, file=self.process.stdin, flush=True)
        return request_id

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def invoke(self, name: str, event: dict[str, Any], **function: Any) -> dict[str, Any]:
        self.send(name, event, **function)
        return self.receive()


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    toolchain = Toolchain.find()
    process = subprocess.Popen(
        [toolchain.emulator_python, DRIVER, toolchain.functions_python],
        env=environment(1, tmp_path_factory.mktemp("emulator")) | {"PYTHONPATH": PYTHON_SOURCES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Functions(process)
    process.communicate()
    assert process.returncode == 0


def failure(answer: dict[str, Any]) -> tuple[str, str]:
    """Give the type of an answer's error, and its message without the request id."""
    assert answer["error"], answer
    prefix = f"RequestId: {answer['id']} Error: "
    assert answer["body"]["errorMessage"].startswith(prefix), answer
    assert answer["body"]["errorMessage"] in answer["log"]
    return answer["body"]["errorType"], answer["body"]["errorMessage"].removeprefix(prefix)


KILLED = ("Runtime.ExitError", "Runtime exited with error: signal: killed")


@pytest.mark.parametrize("event", [{"allocate": 200, "sleep": LONG}, {"free": 200}])
def test_a_function_over_its_memory_is_killed(functions: Functions, event: Any) -> None:
    """It is, too, when it has given back by the time that anybody looks."""
    before = functions.invoke("greedy", {})["body"]
    answer = functions.invoke("greedy", event)
    assert failure(answer) == KILLED
    assert answer["used"] > 128
    again = functions.invoke("greedy", {})
    assert again["body"] != before
    assert again["used"] < 128


def test_memory_below_the_limit_is_reported(functions: Functions) -> None:
    used = functions.invoke("modest", {"allocate": 60})["used"]
    assert 60 < used < 128


def test_what_a_function_started_counts_and_ends_with_it(functions: Functions) -> None:
    answer = functions.invoke("parent", {"child": 200, "sleep": LONG})
    assert failure(answer) == KILLED
    child = answer["log"].split("child ")[1].split()[0]
    assert not Path("/proc", child, "exe").exists()


def test_only_the_environment_that_is_over_a_limit_ends(functions: Functions) -> None:
    greedy = functions.send("two", {"allocate": 200, "sleep": LONG})
    modest = functions.send("two", {"sleep": 2})
    answers = {answer["id"]: answer for answer in (functions.receive(), functions.receive())}
    assert failure(answers[greedy]) == KILLED
    assert Path("/proc", str(answers[modest]["body"]), "exe").exists()


def test_a_function_over_its_time_is_ended(functions: Functions) -> None:
    before = functions.invoke("late", {}, timeout=1)["body"]
    answer = functions.invoke("late", {"sleep": LONG}, timeout=1)
    assert failure(answer) == ("Sandbox.Timedout", "Task timed out after 1.00 seconds")
    assert functions.invoke("late", {}, timeout=1)["body"] != before


@pytest.mark.parametrize("then", [f"time.sleep({LONG})", "b'x' * 200 * 2**20", "os._exit(1)"])
def test_an_initialisation_that_fails_is_repeated_within_the_invocation(
    functions: Functions, tmp_path: Path, then: str
) -> None:
    code = ONCE.format(marker=str(tmp_path / "marker"), then=then)
    answer = functions.invoke(f"once-{then[:3]}", {}, code=code)
    assert isinstance(answer["body"], int), answer
    assert answer["log"].startswith("INIT_REPORT ")


@pytest.mark.parametrize(
    ("statement", "timeout", "expected"),
    [
        (f"time.sleep({LONG})", 1, ("Sandbox.Timedout", "Task timed out after 1.00 seconds")),
        ("b'x' * 200 * 2**20", LONG, KILLED),
        ("os._exit(3)", LONG, ("Runtime.ExitError", "Runtime exited with error: exit status 3")),
    ],
)
def test_an_initialisation_that_fails_again_fails_the_invocation(
    functions: Functions, statement: str, timeout: int, expected: tuple[str, str]
) -> None:
    code = f"import os, time\n{statement}\ndef handler(event, context): return 1"
    answer = functions.invoke(f"never-{statement[:3]}", {}, code=code, timeout=timeout)
    assert failure(answer) == expected


def test_the_second_initialisation_takes_of_the_invocations_time(functions: Functions) -> None:
    """Of five seconds three and a half, so that the handler's two are too many."""
    code = "import time\ntime.sleep(3.5)\ndef handler(event, context): time.sleep(2)"
    answer = functions.invoke("tardy", {}, code=code, timeout=5)
    assert failure(answer) == ("Sandbox.Timedout", "Task timed out after 5.00 seconds")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"exit": 3}, "Runtime exited with error: exit status 3"),
        ({"exit": 0}, "Runtime exited without providing a reason"),
        ({"signal": 6}, "Runtime exited with error: signal: aborted"),
    ],
)
def test_a_function_that_ends_by_itself_is_told_as_lambda_tells_it(
    functions: Functions, event: dict[str, int], said: str
) -> None:
    assert failure(functions.invoke("ending", event)) == ("Runtime.ExitError", said)
