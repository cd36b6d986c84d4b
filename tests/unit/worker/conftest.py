"""A world with two models, and a worker in it."""

from pathlib import Path

import pytest

from tests.fakes.worker import Stepped, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.registry.add("textgen", "1", 1.0)
    made.registry.add("resnet", "1", 10.0)
    return made


@pytest.fixture
def worker(world: World) -> Stepped:
    return world.worker()
