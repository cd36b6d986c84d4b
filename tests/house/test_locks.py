"""The lock files agree where the same code runs from several of them."""

import re
from pathlib import Path

import pytest

LOCKS = Path(__file__).parents[2] / "requirements"
RUNNING = ("laptop", "layer-sdk", "worker", "worker-cuda")
"""Where the SDK is imported: by the tests and the CLI, by functions, by workers."""


@pytest.mark.parametrize("package", ["boto3", "botocore", "s3transfer"])
def test_functions_and_workers_run_the_sdk_that_the_tests_run(package: str) -> None:
    versions = {lock: version(lock, package) for lock in RUNNING}
    assert len(set(versions.values())) == 1, versions


def version(lock: str, package: str) -> str:
    (found,) = re.findall(rf"^{package}==(\S+)", (LOCKS / f"{lock}.txt").read_text(), re.MULTILINE)
    return str(found)
