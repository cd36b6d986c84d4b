"""A stage of light models alone, and a folder for each exported model."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.conftest import ROOT, LocalStage, serval

EXPORTED = ROOT / "build" / "exporters"


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStage]:
    """Give a running stage, that of ``SERVAL_TEST_STATE`` if there is one."""
    if running := os.environ.get("SERVAL_TEST_STATE"):
        yield LocalStage.read(Path(running).absolute())
        return
    state, models = tmp_path_factory.mktemp("stage"), tmp_path_factory.mktemp("models")
    serval(state, "local", "up", "--detach", "--models", str(models))
    try:
        yield LocalStage.read(state)
    finally:
        serval(state, "local", "down")
