"""A stage of light models alone, and a table of how far each model was off."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import LocalStage, serval

ROWS = pytest.StashKey[dict[str, tuple[str, float]]]()
EXPORTERS = {
    "sklearn": "skl2onnx",
    "xgboost": "onnxmltools",
    "lightgbm": "onnxmltools",
    "catboost": "CatBoost",
    "torch": "torch.onnx, TorchScript",
    "transformers": "torch.onnx, TorchScript",
    "keras": "Keras",
    "tables": "serval init",
    "sources": "serval init",
    "folders": "torch.onnx, dynamo",
}
"""First word of a model's name → what made its graph."""


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


@pytest.fixture
def difference(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Give what puts a model and its largest difference into the table."""
    rows = request.config.stash.setdefault(ROWS, {})

    def note(name: str, largest: float) -> None:
        made_by = EXPORTERS[name.partition("-")[0]]
        rows[name] = ("torch.onnx, dynamo" if "dynamo" in name else made_by, largest)

    return note


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    rows = config.stash.get(ROWS, {})
    for name, (made_by, largest) in sorted(rows.items()):
        terminalreporter.write_line(f"{name:36} {made_by:26} {largest:.1e}")
