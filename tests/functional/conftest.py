"""What several files of these tests start from."""

from pathlib import Path

import pytest

from tests.fakes.inference import Bench
from tests.fakes.pipelines import ready_bench


@pytest.fixture
def ready(tmp_path: Path) -> Bench:
    """An endpoint with the models that pipelines of these tests ask."""
    return ready_bench(tmp_path)
