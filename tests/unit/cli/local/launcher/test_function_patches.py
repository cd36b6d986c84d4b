"""Patches to how the emulator runs functions, against a stand-in for its modules."""

import io
import json
import threading
import traceback
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serval_cli.local.launcher.emulator import Emulator, WrongEmulator
from serval_cli.local.launcher.patches.functions import (
    concurrency,
    failures,
    interpreters,
    layers,
    response_limit,
)


def emulator(**modules: Any) -> Emulator:
    names = Emulator.__dataclass_fields__
    return Emulator(**({name: SimpleNamespace() for name in names} | modules))


def service(result: Any) -> SimpleNamespace:
    """Build a Lambda service whose invocations all have one result."""
    return SimpleNamespace(_execute_function_warm=lambda func, event, request_id: result)


def test_a_runtime_without_an_interpreter_of_its_own_keeps_the_emulators() -> None:
    runtime = SimpleNamespace(_detect_runtime_binary=lambda runtime: ("stock", "script"))
    interpreters.apply(emulator(lambda_runtime=runtime), {"python3.13": "/own/python"})
    assert runtime._detect_runtime_binary("python3.13") == ("/own/python", "script")
    assert runtime._detect_runtime_binary("nodejs22.x") == ("stock", "script")


class FailingWorker:
    def invoke(self) -> dict[str, Any]:
        failure = {"errorMessage": "'x'", "errorType": "KeyError", "stackTrace": ["line"]}
        return {"status": "ok", "trace": "[ERROR] Traceback …", "failure": failure, "log": "before"}


def test_a_failure_has_the_exceptions_type_and_its_trace_in_the_log() -> None:
    runtime = SimpleNamespace(
        Worker=FailingWorker, _PYTHON_WORKER_SCRIPT=f"write({failures.REPORTED})"
    )
    lambda_svc = SimpleNamespace(
        _execute_function_warm=lambda func, event, request_id: {"body": FailingWorker().invoke()}
    )
    failures.apply(emulator(lambda_runtime=runtime, lambda_svc=lambda_svc))
    result = lambda_svc._execute_function_warm({}, {}, "id")
    assert result["body"]["errorType"] == "KeyError"
    assert result["error"] is True
    assert result["log"] == "before\n[ERROR] Traceback …"
    patched = runtime._PYTHON_WORKER_SCRIPT
    assert patched == f"write({failures.INSTEAD})"


def test_a_worker_script_that_reports_failures_otherwise_is_refused() -> None:
    runtime = SimpleNamespace(Worker=FailingWorker, _PYTHON_WORKER_SCRIPT="something else")
    with pytest.raises(WrongEmulator, match="worker's script"):
        failures.apply(emulator(lambda_runtime=runtime, lambda_svc=service({})))


@pytest.mark.parametrize(("surplus", "fails"), [(0, False), (1, True)])
def test_answers_over_lambdas_limit_fail(surplus: int, fails: bool) -> None:
    quotes = 2
    body = "x" * (response_limit.LIMIT_BYTES - quotes + surplus)
    lambda_svc = service({"body": body, "log": "kept"})
    response_limit.apply(emulator(lambda_svc=lambda_svc))
    result = lambda_svc._execute_function_warm({}, {}, "id")
    assert bool(result.get("error")) is fails
    assert result["log"] == "kept"


def test_invocations_above_the_limit_wait_and_other_functions_do_not() -> None:
    running, most = [], []
    full, leave = threading.Barrier(3), threading.Event()

    def execute(func: dict[str, Any], event: Any, request_id: str) -> str:
        running.append(event)
        most.append(running.count("busy"))
        if event == "busy":
            if len(most) <= 2:
                full.wait(10)
            leave.wait(10)
            running.remove(event)
        return str(event)

    lambda_svc = SimpleNamespace(_execute_function_warm=execute)
    concurrency.apply(emulator(lambda_svc=lambda_svc), limit=2)
    invoke = lambda_svc._execute_function_warm
    busy = {"config": {"FunctionArn": "busy"}}
    callers = [threading.Thread(target=invoke, args=(busy, "busy", "id")) for _ in range(6)]
    for caller in callers:
        caller.start()
    full.wait(10)
    assert invoke({"config": {"FunctionArn": "idle"}}, "idle", "id") == "idle"
    leave.set()
    for caller in callers:
        caller.join(10)
    assert max(most) == 2


def zip_of(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"python/{name}.py", text)
    return buffer.getvalue()


def test_workers_share_an_extracted_layer_and_extract_their_code_themselves(
    tmp_path: Path,
) -> None:
    layer, code = zip_of(library="1"), zip_of(handler="2")
    lambda_svc = SimpleNamespace(_resolve_layer_zip=lambda attachment: layer)
    runtime = SimpleNamespace(zipfile=zipfile)
    layers.apply(emulator(lambda_runtime=runtime, lambda_svc=lambda_svc), tmp_path / "layers")

    def extracted(content: bytes, name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        with runtime.zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        return folder / "python"

    workers = [extracted(lambda_svc._resolve_layer_zip("arn"), f"layer_{n}") for n in range(2)]
    assert [(worker / "library.py").read_text() for worker in workers] == ["1", "1"]
    assert workers[0].resolve() == workers[1].resolve()
    own = extracted(code, "code")
    assert not own.is_symlink()
    assert (own / "handler.py").read_text() == "2"


def test_a_layer_that_is_not_there_stays_absent(tmp_path: Path) -> None:
    lambda_svc = SimpleNamespace(_resolve_layer_zip=lambda attachment: None)
    runtime = SimpleNamespace(zipfile=zipfile)
    layers.apply(emulator(lambda_runtime=runtime, lambda_svc=lambda_svc), tmp_path)
    assert lambda_svc._resolve_layer_zip("arn") is None


FAILING = """
def failing():
    raise KeyError("x")
try:
    failing()
except Exception as e:
    said = {said}
"""


def test_the_worker_script_answers_failures_as_lambda_words_them() -> None:
    scope: dict[str, Any] = {"json": json, "traceback": traceback}
    exec(FAILING.format(said=failures.INSTEAD), scope)
    said = json.loads(scope["said"])
    assert said["trace"].startswith("[ERROR] Traceback")
    failure = said["failure"]
    assert failure["errorType"] == "KeyError"
    assert failure["errorMessage"] == "'x'"
    assert len(failure["stackTrace"]) == 1
