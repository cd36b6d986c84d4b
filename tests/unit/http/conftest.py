"""An endpoint with a model to call."""

from pathlib import Path

import pytest

from tests.fakes.inference import TWO_COLUMNS, Bench, bench, plus


@pytest.fixture
def ready(tmp_path: Path) -> Bench:
    made = bench(tmp_path)
    made.edge.grant("srv_good")
    made.edge.publish("adder", "1", plus(1), TWO_COLUMNS)
    return made
