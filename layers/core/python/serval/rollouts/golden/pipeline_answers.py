"""Golden requests of pipelines in the words of ``POST /models/NAME``."""

from collections.abc import Sequence
from typing import cast

from serval.errors import InvalidInputs
from serval.inference.loaded import Loaded
from serval.models.tensor import Tensor
from serval.pipelines.body import read_body
from serval.pipelines.model import PipelineModel
from serval.rollouts.golden.differences import TOLERANCES, Differences
from serval.rollouts.golden.requests import GoldenRequest
from serval.rollouts.golden.task_answers import compare_answers


def ask_pipeline(
    loaded: Loaded, request: GoldenRequest, tolerance: float | None
) -> tuple[Sequence[Tensor], Differences]:
    """Answer a golden request by a pipeline, and compare the answer.

    Raises
    ------
    InvalidRequest
        If the request is wrong, or the pipeline gives tensors.
    InferenceFailed
        Naming the step that fails.
    """
    model = cast(PipelineModel, loaded.model)
    if not loaded.record.answers_in_json:
        raise InvalidInputs("the line has an 'answer', and the pipeline gives tensors: 'response'")
    tensors = read_body(loaded.record.signature, request.body, "application/json")
    allowed = TOLERANCES["FP32"] if tolerance is None else tolerance
    return tensors, compare_answers(request.answer, model.answer(tensors), allowed)
