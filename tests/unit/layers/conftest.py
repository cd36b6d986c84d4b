"""The layers as ``make layers`` built them."""

from pathlib import Path

import pytest

from layers.dependencies.build import OUTPUT
from layers.dependencies.declarations import LAYERS, VARIANTS, Layer, Variant


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


@pytest.fixture(params=LAYERS, ids=lambda layer: layer.name)
def layer(request: pytest.FixtureRequest) -> Layer:
    return request.param


@pytest.fixture
def built():
    """Give the ``python`` folder of a built layer."""

    def folder(variant: Variant, name: str) -> Path:
        found = OUTPUT / variant.name / name / "python"
        if not found.is_dir():
            pytest.fail(f"layer {name!r} is not built for {variant.name!r}: run `make layers-aws`")
        return found

    return folder
