"""Every function's handler starts on the packages of its own layers, and on nothing else."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from layers.dependencies.installation import LIBRARY
from tests.fakes.function_layers import FUNCTIONS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "layers" / "local"
ENVIRONMENT: Mapping[str, str] = {
    "ARTIFACT_BUCKET": "artifacts",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "AWS_REGION": "eu-central-1",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "BATCH_JOBS_PER_MINUTE": "60",
    "BATCH_LEAST_SHARD_BYTES": "65536",
    "BATCH_MACHINE": "arn:aws:states:eu-central-1:123456789012:stateMachine:batch",
    "BATCH_OPEN_JOBS": "20",
    "DATA_BUCKET": "data",
    "FLEETS": "{}",
    "FUNCTIONS": "{}",
    "GOLDEN_FUNCTION": "golden",
    "HANDLERS": "[]",
    "MACHINE_PRICES": "{}",
    "SHARDS_AT_ONCE": "2",
    "JOBS_TABLE": "jobs",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "SHARD_MEMORY_MIB": "3538",
    "STAGE": "prod",
    "STREAMS_TABLE": "streams",
    "WAITING_PLACES": "40",
}
START_EACH = """
import importlib.util, sys, traceback
for function in {functions!r}:
    spec = importlib.util.spec_from_file_location(function, f"{folder}/{{function}}/handler.py")
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except BaseException:
        print(function, traceback.format_exc(-1))
"""


def start_all(functions: Sequence[str], paths: Sequence[Path]) -> str:
    """Start functions in one interpreter without packages; give what it printed."""
    code = START_EACH.format(functions=list(functions), folder=ROOT / "functions")
    run = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path += {list(map(str, paths))}{code}",
        ],
        env=dict(ENVIRONMENT),
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize("layers", sorted(set(FUNCTIONS.values())), ids="-".join)
def test_a_function_starts_on_its_own_layers(layers: tuple[str, ...]) -> None:
    folders = [BUILT / layer / "python" for layer in layers]
    assert all(folder.is_dir() for folder in folders), "run `make layers`"
    functions = [function for function, own in FUNCTIONS.items() if own == layers]
    assert start_all(functions, [LIBRARY, *folders]) == ""


def test_a_package_that_is_in_no_layer_is_noticed() -> None:
    missing = start_all(["verify"], [LIBRARY, BUILT / "verification" / "python"])
    assert "ModuleNotFoundError: No module named 'pydantic'" in missing
