"""The Open Inference Protocol V2: ``POST /v2/models/{model}[/versions/{version}]/infer``.

Specification: ``inference_rest.md``, and Triton's ``extension_binary_data.md``.
"""

from functools import partial

from serval.http.call import JSON, HttpCall
from serval.http.protocols.protocol import Asked, Written
from serval.inference.loaded import Loaded
from serval.inference.run import Outputs, read_fitting, run_request
from serval.protocol.content import FEWER
from serval.protocol.limits import RequestLimits
from serval.protocol.request import InferenceRequest
from serval.protocol.response import InferenceResponse, write_response


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the model in the path, and the version in the path or a header."""
    return call.model, call.version


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[Outputs]:
    """Read tensors, in JSON or binary."""
    body = call.read_body(limits)
    request = read_fitting(body, call.header_length, loaded.record, limits.json_bytes)
    return Asked(partial(run_request, loaded, request), partial(write, loaded, request))


def write(loaded: Loaded, request: InferenceRequest, outputs: Outputs) -> Written:
    """Write output tensors, each in the form that was asked for."""
    record = loaded.record
    body, head_length = write_response(
        InferenceResponse(record.model, record.version, outputs), request
    )
    remedy = partial(suggest_smaller_reply, request, outputs, head_length is not None)
    if head_length is None:
        return Written(body, JSON, remedy)
    headers = {"inference-header-content-length": str(head_length)}
    return Written(body, "application/octet-stream", remedy, headers)


def suggest_smaller_reply(
    request: InferenceRequest, outputs: Outputs, is_binary: bool, is_compressed: bool
) -> str:
    """Write what would make a reply small enough."""
    ways = []
    if not is_binary:
        ways.append('ask for binary outputs ({"parameters": {"binary_data_output": true}})')
    if not is_compressed:
        ways.append("take it compressed (Accept-Encoding: gzip)")
    if len(outputs) > 1:
        ways.append("ask for fewer 'outputs'")
    shape = request.inputs[0].array.shape if request.inputs else ()
    if shape and shape[0] > 1:
        ways.append(FEWER)
    else:
        ways.append("run a batch job, or publish a graph with a smaller output (ArgMax in it)")
    return "; ".join(ways)
