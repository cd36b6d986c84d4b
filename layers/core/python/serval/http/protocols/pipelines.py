"""``POST /models/{model}`` for a pipeline: its inputs by name, and its answer."""

from functools import partial
from typing import Any, cast

from serval.http.call import JSON
from serval.http.protocols import v2
from serval.http.protocols.protocol import Asked, Written
from serval.inference.loaded import Loaded
from serval.inference.run import run_request
from serval.pipelines.body import read_body
from serval.pipelines.model import PipelineModel
from serval.protocol.request import InferenceRequest

LESS = "send less, or let the pipeline's output be less"


def ask_pipeline(
    loaded: Loaded, body: str | bytes, content_type: str, json_limit: int
) -> Asked[Any]:
    """Read the inputs of a pipeline; it answers in JSON, or with V2's tensors if it gives those."""
    model = cast(PipelineModel, loaded.model)
    tensors = read_body(loaded.record.signature, body, content_type, json_limit)
    if loaded.record.answers_in_json:
        return Asked(partial(model.answer, tensors), write_answer)
    request = InferenceRequest(inputs=tuple(tensors))
    return Asked(partial(run_request, loaded, request), partial(v2.write, loaded, request))


def write_answer(answer: Any) -> Written:
    """Write an answer in JSON."""
    from serval.tasks.call import write_json

    return Written(write_json(answer), JSON, lambda _: LESS)
