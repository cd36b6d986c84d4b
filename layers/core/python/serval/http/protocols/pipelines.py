"""``POST /models/{model}`` for a pipeline: its inputs by name, and its answer."""

import json
from functools import partial
from typing import Any

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
    tensors = read_body(loaded.record.signature, body, content_type, json_limit)
    request = InferenceRequest(inputs=tuple(tensors))
    if loaded.record.answers_in_json:
        return Asked(partial(ask_json, loaded, request), write_answer)
    return Asked(partial(run_request, loaded, request), partial(v2.write, loaded, request))


def ask_json(loaded: Loaded, request: InferenceRequest) -> Any:
    """Return the answer in JSON, of a pipeline in this process or of a durable one."""
    if isinstance(loaded.model, PipelineModel):
        return loaded.model.answer(request.inputs)
    [answer] = run_request(loaded, request)
    return json.loads(answer.array.reshape(-1)[0])


def write_answer(answer: Any) -> Written:
    """Write an answer in JSON."""
    from serval.tasks.call import write_json

    return Written(write_json(answer), JSON, lambda _: LESS)
