"""What holds for every test."""

import gc
import os

import boto3
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.at_once import Groups, by_group, workers
from tests.stateful.extent import load_profile

load_profile()
# Each test has a core at the most: threads of BLAS that wait for one another by spinning take four
# times the CPU, and on a busy machine ten times as long. NumPy reads it when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return workers(config.args)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    return Groups(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    by_group(items)


def pytest_collection_finish() -> None:
    """Spare the collector what lasts: it would look through modules and tests again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def session_of_no_other_file() -> None:
    """boto3 keeps one session a process, with the credentials of whoever asked first.

    What a file's own fixtures make in its name would be signed with those of the file before.
    """
    boto3.DEFAULT_SESSION = None


@pytest.fixture(autouse=True)
def sessions_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As between files, so between tests."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run beside each other are told the width of a terminal, which nobody sees."""
    monkeypatch.delenv("COLUMNS", raising=False)
