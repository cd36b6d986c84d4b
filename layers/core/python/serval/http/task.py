"""``POST /models/{model}[/versions/{version}]``: a model's task, in its own words."""

import time
from collections.abc import Callable

from serval.errors import UnsupportedFeature
from serval.http.call import HttpCall, Reply, sized_reply
from serval.inference.loaded import Loaded
from serval.protocol.limits import RequestLimits
from serval.tasks.call import answer_body

ADVICE = "send fewer inputs, or run a batch job over a file of them"


def answer_task(
    loaded: Loaded,
    call: HttpCall,
    limits: RequestLimits,
    *,
    cold: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> Reply:
    """Answer a call of a loaded version's task.

    Raises
    ------
    UnsupportedFeature
        If the version has no task.
    InvalidRequest
        If the body, an input or a parameter is wrong.
    """
    record = loaded.record
    if loaded.task is None:
        raise UnsupportedFeature(
            f"model {record.model!r} version {record.version!r} has no task and takes tensors "
            f"alone: POST /v2/models/{record.model}/infer, or set 'task:' in its model.yaml"
        )
    body = call.read_body(limits)
    started = clock()
    answer = answer_body(loaded.task, body, call.headers.get("content-type", ""))
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
