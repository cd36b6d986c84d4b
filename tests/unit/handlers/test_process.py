"""Handlers in processes of their own: real processes, and each of the ends that they meet."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from serval.errors import MalformedBody
from serval.handlers.conventions import handler_at
from serval.handlers.declaration import MIB, HandlerDeclaration, HandlerLimits
from serval.handlers.process import HandlerProcess
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed

pytestmark = pytest.mark.slow

JSON = "application/json"
LIMITS = HandlerLimits(memory_bytes=256 * MIB, load_seconds=20, call_seconds=20, most_bytes=MIB)
AT_ONCE = HandlerLimits(256 * MIB, 0.5, 0.5, MIB)
Start = Callable[..., HandlerProcess]


class Printed(list[str]):
    """The log of a handler."""

    def text(self) -> str:
        return "\n".join(json.loads(line)["line"] for line in self)


@pytest.fixture
def log() -> Printed:
    return Printed()


@pytest.fixture
def start(tmp_path: Path, log: Printed) -> Iterator[Start]:
    started = []

    def start_one(code: str, limits: HandlerLimits = LIMITS, **declared: Any) -> HandlerProcess:
        (tmp_path / "handler.py").write_text(dedent(code))
        declaration = HandlerDeclaration(
            "shelf", tmp_path, handler_at("handler.py"), limits=limits, **declared
        )
        started.append(HandlerProcess(declaration, log.append))
        return started[-1]

    yield start_one
    for process in started:
        process.close()


def handler(call: str, init: str = "pass", head: str = "") -> str:
    """Write a handler of a few lines."""
    return "\n".join(
        [
            "import os, sys",
            head,
            "class EndpointHandler:",
            '    def __init__(self, path=""):',
            f"        {init}",
            "    def __call__(self, data):",
            f"        {call}",
        ]
    )


def call(process: HandlerProcess, value: Any) -> Any:
    """Call with a JSON body; return the JSON answer."""
    answer = process.call(json.dumps(value).encode(), JSON, "*/*")
    assert answer.content_type == JSON
    return json.loads(answer.body)


def test_a_handler_answers_json_with_json(start: Start) -> None:
    process = start(
        handler("return [{'seen': data['inputs'], 'path': self.path}]", "self.path = path")
    )
    assert call(process, {"inputs": "a"}) == [{"seen": "a", "path": str(process.declared.folder)}]


def test_a_process_answers_many_calls(start: Start) -> None:
    process = start(handler("self.n += 1; return self.n", "self.n = 0"))
    assert [call(process, {}) for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_handler_imports_what_lies_beside_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("HELLO = 'hello'")
    process = start(handler("return words.HELLO", head="import words"))
    assert call(process, {}) == "hello"


def test_a_package_of_its_own_comes_before_those_of_the_interpreter(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "numpy.py").write_text("__version__ = 'its own'")
    process = start(
        handler("return numpy.__version__", head="import numpy"), packages=(str(tmp_path / "own"),)
    )
    assert call(process, {}) == "its own"


def test_an_exception_is_told_by_its_type_and_line_and_its_traceback_is_logged(
    start: Start, log: Printed
) -> None:
    process = start(handler("raise KeyError('secret words')"))
    with pytest.raises(RuntimeFailed) as failed:
        call(process, {})
    assert str(failed.value) == "handler.py raised KeyError in line 7 of handler.py"
    process.close()
    wait_for(lambda: "KeyError: 'secret words'" in log.text())


def test_a_handler_lives_on_after_an_exception(start: Start) -> None:
    process = start(handler("self.n += 1; return 1 / (self.n - 1)", "self.n = 0"))
    with pytest.raises(RuntimeFailed, match="ZeroDivisionError"):
        call(process, {})
    assert call(process, {}) == 1.0


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os._exit(3)", "ended by itself with status 3"),
        ("os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL, as when memory runs out"),
    ],
)
def test_a_handler_that_ends_its_process_fails_its_call_and_is_started_again(
    start: Start, end: str, said: str
) -> None:
    process = start(handler(f"return {end} if data['end'] else os.getpid()"))
    first = call(process, {"end": False})
    with pytest.raises(RuntimeFailed, match=f"^handler.py its process {said}$"):
        call(process, {"end": True})
    assert call(process, {"end": False}) != first


def test_sys_exit_is_an_exception_like_any_other(start: Start) -> None:
    process = start(handler("sys.exit(1)"))
    with pytest.raises(RuntimeFailed, match="raised SystemExit in line 7"):
        call(process, {})


def test_a_handler_that_hangs_is_ended_with_what_it_started(start: Start) -> None:
    code = """
        import os, subprocess, sys, time

        class EndpointHandler:
            def __init__(self, path=""):
                command = [sys.executable, "-c", "input()"]
                self.child = subprocess.Popen(command, stdin=subprocess.PIPE)

            def __call__(self, data):
                if data["hang"]:
                    time.sleep(3600)
                return self.child.pid
        """
    process = start(code, HandlerLimits(256 * MIB, 20, 0.5))
    child = call(process, {"hang": False})
    with pytest.raises(RuntimeFailed, match=r"had no answer within 0.5 s, and was ended"):
        call(process, {"hang": True})
    wait_for(lambda: not is_running(child))
    assert call(process, {"hang": False}) != child


def test_a_handler_that_hangs_in_native_code_is_ended(start: Start) -> None:
    process = start(
        handler("return re.match('(a+)+b', 'a' * 64)", head="import re"),
        HandlerLimits(256 * MIB, 20, 0.5, MIB),
    )
    with pytest.raises(RuntimeFailed, match=r"had no answer within 0.5 s"):
        call(process, {})


def test_memory_far_over_the_limit_is_an_error_of_the_call(start: Start) -> None:
    process = start(handler("return len(bytearray(data['bytes']))"))
    with pytest.raises(RuntimeFailed, match="raised MemoryError in line 7"):
        call(process, {"bytes": 2**40})
    assert call(process, {"bytes": 8}) == 8


def test_a_handler_that_takes_too_much_memory_is_ended(start: Start) -> None:
    code = """
        class EndpointHandler:
            def __init__(self, path=""):
                self.leak = []

            def __call__(self, data):
                while data["leak"]:
                    self.leak.append(bytearray(b"x") * 2**20)
                return len(self.leak)
        """
    process = start(code)
    with pytest.raises(RuntimeFailed, match=r"took more than 256 MiB of memory|MemoryError"):
        call(process, {"leak": True})
    assert call(process, {"leak": False}) == 0


def test_a_leak_ends_the_process_and_the_next_call_starts_another(start: Start) -> None:
    leak = "self.leak.append(b'x' * (80 << 20)); return len(self.leak)"
    process = start(handler(leak, "self.leak = []"), HandlerLimits(160 * MIB, 20, 20, MIB))
    assert call(process, {}) == 1
    with suppress(RuntimeFailed):
        call(process, {})
    assert call(process, {}) == 1


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("raise OSError('no weights')", "did not load: it raised OSError in line 5 of handler.py"),
        ("os._exit(0)", "did not load: it its process ended by itself with status 0"),
        ("sys.exit('no')", "did not load: it raised SystemExit in line 5 of handler.py"),
        ("import time; time.sleep(3600)", "did not load: it had no answer within 0.5 s"),
    ],
)
def test_a_handler_that_does_not_load_is_unreadable(start: Start, init: str, said: str) -> None:
    process = start(handler("return 1", init), AT_ONCE if "sleep" in init else LIMITS)
    with pytest.raises(ArtifactUnreadable, match=said):
        process.load()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class EndpointHandler:\n    def __init__(self)\n", "raised SyntaxError in line 2 of"),
        ("import no_such_package\n", "raised ModuleNotFoundError in line 1 of handler.py"),
        ("x = 1\n", "raised AttributeError"),
    ],
)
def test_a_file_that_cannot_be_imported_is_unreadable(start: Start, code: str, said: str) -> None:
    with pytest.raises(ArtifactUnreadable, match=said):
        start(code).load()


@pytest.mark.parametrize("value", ["{1, 2}", "object()", "{(1, 2): 3}", "lambda: 1"])
def test_an_answer_that_is_not_json_fails_the_call_alone(start: Start, value: str) -> None:
    process = start(handler(f"return ({value}) if data else 'well'"))
    with pytest.raises(RuntimeFailed, match="answered with what is not JSON"):
        call(process, {"a": 1})
    assert call(process, {}) == "well"


def test_numbers_that_json_lacks_are_null(start: Start) -> None:
    process = start(handler("return {'a': [float('nan'), 1.5], 'b': float('inf')}"))
    assert call(process, {}) == {"a": [None, 1.5], "b": None}


def test_arrays_are_lists(start: Start) -> None:
    process = start(
        handler("return {'a': np.eye(2), 'b': np.float32(0.5)}", head="import numpy as np")
    )
    assert call(process, {}) == {"a": [[1.0, 0.0], [0.0, 1.0]], "b": 0.5}


def test_a_huge_answer_fails_the_call_alone(start: Start) -> None:
    process = start(handler("return 'x' * data['n']"))
    with pytest.raises(RuntimeFailed, match="answered with 2000002 bytes, at most 1048576 allowed"):
        call(process, {"n": 2_000_000})
    assert call(process, {"n": 2}) == "xx"


def test_bytes_go_out_as_they_are(start: Start) -> None:
    process = start(handler("return data['inputs'][::-1]"))
    answer = process.call(b"\x00\x01", "application/octet-stream", "audio/wav")
    assert (answer.body, answer.content_type) == (b"\x01\x00", "audio/wav")


def test_what_a_handler_prints_is_its_log_and_never_its_answer(start: Start, log: Printed) -> None:
    printing = "print('to you', data); print('aside', file=sys.stderr); os.write(1, b'raw\\n')"
    process = start(handler(f"{printing}; return 7"))
    assert call(process, {"a": 1}) == 7
    wait_for(lambda: {"to you {'a': 1}", "aside", "raw"} <= set(log.text().splitlines()))
    assert all(json.loads(line)["handler"] == "shelf" for line in log)


def test_a_handler_that_prints_without_end_does_not_block(start: Start) -> None:
    process = start(handler("print('x' * 3_000_000); return 1"))
    assert call(process, {}) == 1


def test_a_body_that_is_not_json_is_the_callers_mistake(start: Start) -> None:
    process = start(handler("return 1"))
    with pytest.raises(MalformedBody, match="the body is not JSON"):
        process.call(b"{", JSON, "")


def test_the_environment_holds_the_bundles_variables_and_nobodys_keys(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "SERVAL_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    process = start(handler("return dict(os.environ)"), variables={"THRESHOLD": "0.5"})
    seen = call(process, {})
    assert seen["THRESHOLD"] == "0.5"
    assert "secret" not in seen.values()
    assert not [name for name in seen if name.startswith("AWS_")]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"variables": {"A": "a\0b"}}, "handler.py cannot be started: embedded null byte"),
        ({"read_secrets": lambda: {"A": "a\0b"}}, "did not load: it raised ValueError"),
    ],
)
def test_a_value_that_no_environment_holds_is_a_fault_of_the_version(
    start: Start, declared: dict[str, Any], said: str
) -> None:
    with pytest.raises(ArtifactUnreadable, match=said):
        start(handler("return 1"), **declared).load()


def test_a_handler_that_reads_its_input_finds_none(start: Start) -> None:
    process = start(handler("return sys.stdin.read()"))
    assert call(process, {}) == ""


def test_a_process_has_no_other_descriptors_of_the_server(start: Start, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w"):
        listing = "[str(p.readlink()) for p in Path('/proc/self/fd').iterdir() if p.is_symlink()]"
        process = start(handler(f"return {listing}", head="from pathlib import Path"))
        assert str(tmp_path / "open") not in call(process, {})


def test_a_handler_whose_server_is_gone_ends(start: Start) -> None:
    process = start(handler("return os.getpid()"))
    pid = call(process, {})
    child = process._child
    assert child is not None
    assert child.process.stdin is not None
    child.process.stdin.close()
    wait_for(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended, and waits to be asked, does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(condition: Callable[[], bool]) -> None:
    """Look until it is so; 20 s at most."""
    waiting, until = threading.Event(), time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        waiting.wait(0.02)
    assert condition()
