"""A loaded pipeline: what it hands on, and what it keeps in memory."""

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serval.inference.loaded import Limits, Loaded
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.pipelines.model import PipelineModel
from tests.fakes.inference import TWO_COLUMNS, InMemoryEdge, plus
from tests.fakes.pipelines import pipeline_bench, publish_pipeline

CHAIN = """
name: chain
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: one}
  - {name: second, model: two, input: {x: first.y}}
output: {y: second.y}
"""


class Recorded:
    """A model that answers with what it was given, and remembers it."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        self.given += [tensor.array for tensor in inputs]
        return [Tensor("y", "FP32", inputs[0].array)]


class Versions(dict[tuple[str, str], Loaded]):
    """Versions that are loaded already."""

    def get(self, model: str, version: str) -> Loaded:  # type: ignore[override]
        return self[model, version]


def test_a_tensor_is_handed_on_without_a_copy() -> None:
    edge, versions = InMemoryEdge(), Versions()
    for name in ("one", "two"):
        edge.publish(name, "1", plus(1), TWO_COLUMNS)
        versions[name, "1"] = Loaded.elsewhere(edge.records[name, "1"], Recorded())
    model = PipelineModel.open(publish_pipeline(edge, CHAIN), versions, lambda _: "1")
    array = np.zeros((3, 2), np.float32)
    (answer,) = model.run([Tensor("x", "FP32", array)], model.record.signature.outputs)
    given = [versions[name, "1"].model.given for name in ("one", "two")]  # type: ignore[attr-defined]
    assert all(one is array for one in (*given[0], *given[1], answer.array))


def test_a_pipeline_keeps_no_version_that_was_evicted(tmp_path: Path) -> None:
    made = pipeline_bench(tmp_path)
    for name in ("one", "two", "other"):
        made.edge.publish(name, "1", plus(1), TWO_COLUMNS)
    publish_pipeline(made.edge, CHAIN)
    loaded = made.endpoint.inference.loaded
    model = loaded.get("chain", "1").model
    assert loaded.versions() == [("one", "1"), ("two", "1"), ("chain", "1")]
    session = weakref.ref(loaded.get("one", "1").model._session)  # type: ignore[attr-defined]
    loaded.let_go("one", "1")
    gc.collect()
    assert session() is None
    assert isinstance(model, PipelineModel)
    model.run([Tensor("x", "FP32", np.zeros((1, 2), np.float32))], model.record.signature.outputs)
    assert ("one", "1") in loaded
    assert model.times.load_ms > 0


def test_steps_are_evicted_for_each_other_where_they_do_not_fit_together(tmp_path: Path) -> None:
    size = int(len(plus(1)) * 2.5)
    made = pipeline_bench(tmp_path)
    made.endpoint.inference.loaded.limits = Limits(size + 1, 2**20)
    for name in ("one", "two"):
        made.edge.publish(name, "1", plus(1), TWO_COLUMNS)
    publish_pipeline(made.edge, CHAIN)
    model = made.endpoint.inference.loaded.get("chain", "1").model
    given = [Tensor("x", "FP32", np.zeros((1, 2), np.float32))]
    for _ in range(3):
        (answer,) = model.run(given, [TensorSpec("y", "FP32", (-1, 2))])
        assert answer.array.tolist() == [[2, 2]]
