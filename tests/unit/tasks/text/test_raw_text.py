"""Graphs that read text themselves: which input, and how requests in tensors are told apart."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serval.inference.batching import has_task_inputs
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.text.raw_text import find_text_input


def graph(*inputs: TensorSpec) -> TaskGraph:
    return TaskGraph({one.name: one for one in inputs}, {}, lambda *_: [])


def text(*shape: int, name: str = "review", datatype: str = "BYTES") -> TensorSpec:
    return TensorSpec(name, datatype, shape)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_the_only_input_may_be_text(shape: tuple[int, ...]) -> None:
    assert find_text_input(graph(text(*shape))) == text(*shape)


@pytest.mark.parametrize(
    "inputs",
    [
        [text(-1, 2)],
        [text()],
        [text(1)],
        [text(-1, 1, datatype="INT64")],
        [text(-1), text(-1, name="title")],
    ],
)
def test_other_inputs_are_no_text(inputs: list[TensorSpec]) -> None:
    assert find_text_input(graph(*inputs)) is None


def test_an_input_that_cannot_be_told_from_the_tasks_own_is_refused() -> None:
    with pytest.raises(TaskUnreadable, match=r"'text' is BYTES \[batch\] like the task's own"):
        find_text_input(graph(text(-1, name="text")))


def test_a_graph_without_scores_is_refused(tmp_path: Path) -> None:
    labels = {"label": text(-1, name="label")}
    only = TaskGraph({"review": text(-1)}, labels, lambda *_: [])
    with pytest.raises(TaskUnreadable, match=r"no scores of classes.* but label"):
        open_task("text-classification", TaskFiles(tmp_path, lambda _: only), only)


@pytest.mark.parametrize(("shape", "for_task"), [((2,), True), ((2, 1), False)])
def test_the_rank_tells_the_tasks_text_from_the_graphs(
    shape: tuple[int, ...], for_task: bool
) -> None:
    signature = Signature((text(-1, 1, name="text"),), (), ())
    record: Any = SimpleNamespace(
        task="text-classification", signature=signature, speaks_openai=False
    )
    sent = Tensor("text", "BYTES", np.full(shape, b"I loved it", object))
    assert has_task_inputs(record, [sent]) is for_task
