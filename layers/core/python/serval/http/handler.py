"""``POST /models/{model}[/versions/{version}]`` of a handler: its own bodies in both directions."""

import time
from collections.abc import Callable

from serval.errors import InferenceFailed
from serval.handlers.model import HandlerModel
from serval.http.call import HttpCall, Reply, sized_reply
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.protocol.limits import RequestLimits

ADVICE = "let the handler answer with less, or take the answer compressed (Accept-Encoding: gzip)"


def answer_handler(
    loaded: Loaded,
    call: HttpCall,
    limits: RequestLimits,
    *,
    cold: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> Reply:
    """Answer a call of a loaded version that is custom Python.

    Raises
    ------
    MalformedBody
        If the body is not what its content type says.
    InferenceFailed
        If the handler fails; with the type of what it raised.
    PayloadTooLarge
        If the answer does not fit through Lambda.
    """
    record, model = loaded.record, loaded.model
    if not isinstance(model, HandlerModel):
        raise InferenceFailed(record.model, record.version, "it is no handler")
    body = call.read_body(limits)
    raw = body.encode() if isinstance(body, str) else body
    started = clock()
    try:
        answer = model.call(
            raw, call.headers.get("content-type", ""), call.headers.get("accept", "")
        )
    except RuntimeFailed as error:
        raise InferenceFailed(record.model, record.version, str(error)) from error
    timing = f"infer;dur={(clock() - started) * 1e3:.3f}"
    if cold:
        timing = f"load;dur={loaded.load_ms:.1f}, {timing}"
    headers = {
        "content-type": answer.content_type,
        "serval-model-version": record.version,
        "server-timing": timing,
    }
    accepted = call.headers.get("accept-encoding", "")
    return sized_reply(answer.body, headers, accepted, lambda is_compressed: ADVICE)
