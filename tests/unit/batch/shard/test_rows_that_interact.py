"""A model that compares its rows with each other is run on one at a time."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import BatchStage

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1,)),), (TensorSpec("y", "FP32", (-1,)),))


class Together:
    """A model that says of each row how many it was asked."""

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        [x] = inputs
        return [Tensor("y", "FP32", np.full(len(x.array), len(x.array), np.float32))]


@pytest.mark.parametrize(("interact", "answers"), [(False, ["3"] * 3), (True, ["1"] * 3)])
def test_rows_that_interact_are_run_one_at_a_time(interact: bool, answers: list[str]) -> None:
    signature = replace(SIGNATURE, rows_interact=interact)
    stage = BatchStage(signature, Together(), measurements={"best_batch_size": 8})
    job = stage.run(stage.upload("t.csv", b"x\n1\n2\n3\n"))
    _, *found = stage.output(job, "output.csv").decode().split()
    assert [str(int(float(line))) for line in found] == answers
