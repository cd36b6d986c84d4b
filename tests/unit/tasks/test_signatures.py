"""What is known of a task without importing it is what its class says."""

from importlib import import_module

import pytest

from serval.models.signature import Signature, TensorSpec
from serval.models.task_signature import ANSWERS_IN_LIST, TAKES, answers_row_by_row
from serval.tasks.catalogue import TASKS

IDS, MASK = (TensorSpec(name, "INT64", (-1, -1)) for name in ("input_ids", "attention_mask"))


@pytest.mark.parametrize("name", sorted(TASKS))
def test_what_a_task_takes_and_how_it_answers_is_known_without_importing_it(name: str) -> None:
    module, _, class_name = TASKS[name].partition(":")
    task = getattr(import_module(f"serval.tasks.{module}"), class_name)
    assert task.takes == TAKES.get(name, "text")
    assert task.answers_in_list == (name in ANSWERS_IN_LIST)


@pytest.mark.parametrize(
    ("task", "inputs", "shared"),
    [
        ("text-classification", (IDS, MASK), True),
        ("text-classification", (IDS,), False),
        ("image-classification", (TensorSpec("pixel_values", "FP32", (-1, 3, -1, -1)),), True),
        ("text-generation", (IDS, MASK), False),
    ],
)
def test_only_inputs_that_nothing_beside_them_changes_share_a_run(
    task: str, inputs: tuple[TensorSpec, ...], shared: bool
) -> None:
    assert answers_row_by_row(task, Signature(inputs, ())) is shared
