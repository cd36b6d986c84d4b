"""``POST /models/{model}[/versions/{version}]``: a task or a handler, in its own words."""

import time
from collections.abc import Callable

from serval.errors import InferenceFailed, UnsupportedFeature
from serval.http.call import HttpCall, Reply, sized_reply
from serval.inference.loaded import Loaded
from serval.inference.run import server_timing
from serval.inference.runtimes import RuntimeFailed
from serval.protocol.limits import RequestLimits

FEWER_INPUTS = "send fewer inputs, or run a batch job over a file of them"
LESS = "let the handler answer with less, or take the answer compressed (Accept-Encoding: gzip)"


def answer_own_words(
    loaded: Loaded,
    call: HttpCall,
    limits: RequestLimits,
    *,
    cold: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> Reply:
    """Answer a call of a loaded version by its handler, or by its task.

    Raises
    ------
    UnsupportedFeature
        If the version has neither.
    InvalidRequest
        If the body, an input or a parameter is wrong.
    InferenceFailed
        If the handler or the graph fails.
    PayloadTooLarge
        If the answer does not fit through Lambda.
    """
    is_handler = loaded.record.runtime == "python"
    body = call.read_body(limits)
    started = clock()
    if is_handler:
        answer, content_type = _call_handler(loaded, body, call)
    else:
        answer, content_type = _call_task(loaded, body, call, limits.json_bytes)
    infer_ms = (clock() - started) * 1e3
    headers = {
        "content-type": content_type,
        "serval-model-version": loaded.record.version,
        "server-timing": server_timing(infer_ms, loaded.load_ms if cold else 0.0),
    }
    accepted = call.headers.get("accept-encoding", "")
    advice = LESS if is_handler else FEWER_INPUTS
    return sized_reply(answer, headers, accepted, lambda is_compressed: advice)


def _call_task(
    loaded: Loaded, body: str | bytes, call: HttpCall, json_limit: int
) -> tuple[bytes, str]:
    # Imported for a version with a task alone, as is the handlers' for those.
    from serval.tasks.call import answer_body

    record = loaded.record
    if loaded.task is None:
        raise UnsupportedFeature(
            f"model {record.model!r} version {record.version!r} has no task and takes tensors "
            f"alone: POST /v2/models/{record.model}/infer, or set 'task:' in its model.yaml"
        )
    answer = answer_body(loaded.task, body, call.headers.get("content-type", ""), json_limit)
    return answer.body, answer.content_type


def _call_handler(loaded: Loaded, body: str | bytes, call: HttpCall) -> tuple[bytes, str]:
    from serval.handlers.model import HandlerModel

    record, model = loaded.record, loaded.model
    if not isinstance(model, HandlerModel):
        raise InferenceFailed(record.model, record.version, "it is no handler")
    raw = body.encode() if isinstance(body, str) else body
    headers = call.headers
    try:
        answer = model.call(raw, headers.get("content-type", ""), headers.get("accept", ""))
    except RuntimeFailed as error:
        raise InferenceFailed(record.model, record.version, str(error)) from error
    return answer.body, answer.content_type
