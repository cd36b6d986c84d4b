"""What fresh interpreters import for the functions of async requests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NEVER = {"pydantic", "aws_lambda_powertools", "aws_xray_sdk", "onnx", "yaml"}
RUNS_NONE = {"onnxruntime"}
TASKS = {"jinja2", "PIL", "soundfile", "tokenizers"}
NUMERIC = {"onnxruntime", "numpy", "simdjson", "orjson"}
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "STAGE": "prod",
    "STREAMS_TABLE": "streams",
    "FLEETS": "{}",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "WAITING_PLACES": "40",
    "DATA_BUCKET": "data",
    "ARTIFACT_BUCKET": "artifacts",
    "GOLDEN_FUNCTION": "golden",
}


def imported(function: str, *layers: Path) -> set[str]:
    """Import a handler in an interpreter that sees nothing else of the repository."""
    paths = [str(ROOT / "functions" / function), *(str(layer) for layer in layers)]
    return imported_by(f"import sys; sys.path[1:1] = {paths!r}; import handler")


def imported_by(program: str) -> set[str]:
    """Run a program in a fresh interpreter, and name the top modules that it has then."""
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"{program}; import sys; print(*sys.modules)"],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in run.stdout.split()}


@pytest.mark.parametrize(
    ("function", "unneeded"),
    [
        ("submit", RUNS_NONE | {"polars"}),
        ("wait", RUNS_NONE | {"polars"}),
        ("answer", TASKS | {"polars", "zstandard"}),
        ("requests", NUMERIC),
        ("callback", NUMERIC),
        ("dispatch", RUNS_NONE | {"numpy"}),
        ("complete", RUNS_NONE | {"numpy"}),
        ("sweep", RUNS_NONE | {"numpy"}),
    ],
)
def test_a_function_imports_what_it_needs_and_no_more(function: str, unneeded: set[str]) -> None:
    assert not imported(function) & (NEVER | unneeded)


@pytest.mark.parametrize("function", ["claim", "conclude", "evaluate", "register"])
def test_a_rollout_s_steps_start_without_what_their_layers_lack(function: str) -> None:
    assert not imported(function) & NUMERIC


def test_a_fleets_worker_leaves_tables_to_the_processes_of_its_shards() -> None:
    assert "polars" not in imported_by("import serval.bootstrap.worker.worker")
