"""SageMaker's runtime: ``POST /endpoints/{model}/invocations``, as the AWS SDKs send it.

Specification: "InvokeEndpoint", Amazon SageMaker AI API Reference. The key of the API is the access
key's id in the signature, which is not checked (``serval.access.admission``).

An invocation with a response stream has the same answer, in a message of an event stream.

What the body is, its content says: an inference request of the Open Inference Protocol V2, rows or
inputs as V1 and MLflow have them, CSV, an array of numpy, or what a task or a handler takes.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import unquote

import simdjson

from serval.errors import InvalidInputs, ServalError, UnsupportedFeature
from serval.http.call import JSON, HttpCall
from serval.http.protocols import own_words, v2
from serval.http.protocols.ask import (
    Wrap,
    ask_given,
    ask_tensors,
    suggest_less,
    write_outputs,
)
from serval.http.protocols.cells import fit_array
from serval.http.protocols.given import (
    INPUTS,
    INSTANCES,
    RECORDS,
    SPLIT,
    Forms,
    Given,
    pick_given,
    read_list,
)
from serval.http.protocols.own_words import ask_handler, ask_task
from serval.http.protocols.protocol import Asked, AskedStream, Written
from serval.http.protocols.tables import read_csv_table
from serval.http.refusals import CSV
from serval.inference.loaded import Loaded
from serval.inference.run import Outputs, fit_request, read_fitting, run_request
from serval.models.tensor import Array, Tensor
from serval.protocol.content import media_type, to_bytes, type_parameters
from serval.protocol.delimited import read_npy, write_csv, write_npy
from serval.protocol.event_stream import EVENT_STREAM, write_message
from serval.protocol.events import EVENT_STREAM as SERVER_SENT
from serval.protocol.events import closing_source
from serval.protocol.json_values import json_object
from serval.protocol.limits import RequestLimits
from serval.protocol.nested import fit_ones
from serval.protocol.request import (
    InferenceRequest,
    check_json_size,
    check_tensor,
    read_parsed_request,
)
from serval.tasks.call import write_json

NPY, BINARY = "application/x-npy", "application/octet-stream"
FORMS = Forms(SPLIT, RECORDS, INSTANCES, INPUTS, parameters="parameters")
TRITON = "application/vnd.sagemaker-triton.binary+json"
HEAD_LENGTH = "json-header-size"
"""In the Content-Type of a binary request and its answer, as Triton has it on SageMaker."""
PREFIX = "x-amzn-sagemaker-"
ATTRIBUTES = f"{PREFIX}custom-attributes"
INVOKE, INVOKE_FOR_STREAM = "invocations", "invocations-response-stream"
PART = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": BINARY}
"""Headers of a message that has a part of the answer."""
FAILED = "ModelStreamError"
EXCEPTION = {
    ":message-type": "exception",
    ":exception-type": FAILED,
    ":content-type": JSON,
}
"""Headers of a message that ends a stream which failed."""
UNSUPPORTED = frozenset(
    {
        f"{PREFIX}target-model",
        f"{PREFIX}target-container-hostname",
        f"{PREFIX}inference-component",
        f"{PREFIX}session-id",
    }
)
"""Headers that choose among what an endpoint of ours has not."""


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the endpoint, which is a model, and the target variant, which is a version.

    Raises
    ------
    UnsupportedFeature
        If the call is not a plain invocation.
    """
    _, _, model, *rest = call.path.split("/", 3)
    operation = "".join(rest)
    if operation not in (INVOKE, INVOKE_FOR_STREAM):
        raise UnsupportedFeature(
            f"{operation!r:.80}: {INVOKE}, {INVOKE_FOR_STREAM} and async-invocations of "
            f"{model:.63} are served"
        )
    if given := UNSUPPORTED & call.headers.keys():
        raise UnsupportedFeature(
            f"{min(given)} is not supported: an endpoint is one model, and its "
            "target-variant a version"
        )
    call.takes_stream = operation == INVOKE_FOR_STREAM
    return unquote(model), call.headers.get(f"{PREFIX}target-variant") or call.version


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[Any]:
    """Read a body by its content type, and by what it has inside."""
    body, declared = call.read_body(limits), call.headers.get("content-type", "")
    asked = _read_body(loaded, body, declared, call, limits)
    headers = _headers(loaded, call)

    def write(answer: Any) -> Written:
        written = asked.write(answer)
        length = written.headers.get("inference-header-content-length")
        if length is not None:
            kind = (
                declared.partition(";")[0] if HEAD_LENGTH in type_parameters(declared) else TRITON
            )
            written.content_type = f"{kind};{HEAD_LENGTH}={length}"
        written.headers = headers
        return in_event_stream(written) if call.takes_stream else written

    return Asked(asked.run, write)


def stream(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> AskedStream:
    """Read a text of which the task writes on: each token is a part of an event stream."""
    asked = own_words.stream(loaded, call, limits)
    headers = {
        **_headers(loaded, call),
        "content-type": EVENT_STREAM,
        f"{PREFIX}content-type": SERVER_SENT,
    }
    return AskedStream(_in_messages(asked.pieces), _write_failure, headers=headers)


def _write_failure(error: ServalError) -> bytes:
    document = {"Message": str(error), "ErrorCode": FAILED}
    return write_message(EXCEPTION, write_json(document))


def _in_messages(pieces: Iterator[bytes]) -> Iterator[bytes]:
    with closing_source(pieces):
        for piece in pieces:
            yield write_message(PART, piece)


def in_event_stream(written: Written) -> Written:
    """Put an answer into a message of an event stream."""
    headers = {**written.headers, f"{PREFIX}content-type": written.content_type}
    return Written(write_message(PART, written.body), EVENT_STREAM, written.remedy, headers)


def _headers(loaded: Loaded, call: HttpCall) -> dict[str, str]:
    headers = {"x-amzn-invoked-production-variant": loaded.record.version}
    if ATTRIBUTES in call.headers:
        headers[ATTRIBUTES] = call.headers[ATTRIBUTES]
    return headers


def _read_body(
    loaded: Loaded, body: str | bytes, declared: str, call: HttpCall, limits: RequestLimits
) -> Asked[Any]:
    if loaded.record.takes_bodies:
        return ask_handler(loaded, body, declared, _accept(call))
    kind, parameters = media_type(declared), type_parameters(declared)
    if HEAD_LENGTH in parameters:
        length = parameters[HEAD_LENGTH]
        request = read_fitting(body, length, loaded.record, limits.json_bytes)
        return _ask_request(loaded, request)
    sent = to_bytes(body)
    if kind == NPY and loaded.task is None:
        return _ask_npy(loaded, read_npy(sent), call)
    if loaded.task is not None and kind != JSON:
        return ask_task(loaded, body, declared, limits.json_bytes, {False, call.takes_stream})
    check_json_size(len(sent), limits.json_bytes)
    if kind == CSV:
        header = {"present": True, "absent": False}.get(parameters.get("header", ""))
        given = Given("table", read_csv_table(sent, loaded, has_header=header))
        return ask_given(loaded, given, bytes, partial(_write, call, bytes))
    return _read_json(loaded, sent, call, limits)


def _read_json(loaded: Loaded, body: bytes, call: HttpCall, limits: RequestLimits) -> Asked[Any]:
    if body.lstrip()[:1] != b"{":
        if loaded.task is not None:
            return ask_task(loaded, body, JSON, limits.json_bytes)
        return ask_given(loaded, read_list(body), bytes, partial(_write, call, bytes))
    document = json_object(body, "'inputs' or 'instances'")
    names = set(document)
    inputs = document[INPUTS] if INPUTS in names else None
    if isinstance(inputs, simdjson.Array) and len(inputs) and _is_tensor(inputs[0]):
        return _ask_request(
            loaded, fit_request(partial(read_parsed_request, document), loaded.record)
        )
    if loaded.task is not None and names.isdisjoint(FORMS.members[:3]):
        return ask_task(loaded, body, JSON, limits.json_bytes, {False, call.takes_stream})
    return ask_given(loaded, pick_given(document, body, FORMS))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, simdjson.Object) and {"name", "datatype", "shape"} <= set(value)


def _ask_request(loaded: Loaded, request: InferenceRequest) -> Asked[Outputs]:
    return Asked(partial(run_request, loaded, request), partial(v2.write, loaded, request))


def _ask_npy(loaded: Loaded, array: Array, call: HttpCall) -> Asked[Outputs]:
    """Take an array as the only input; of other types of numbers it is converted."""
    signature = loaded.record.signature
    if len(signature.inputs) != 1:
        names = ", ".join(spec.name for spec in signature.inputs)
        raise InvalidInputs(f"an array given, and the model takes {names}: send application/json")
    spec = signature.inputs[0]
    array = array.reshape(fit_ones(array.shape, spec.shape))
    check_tensor(spec.name, spec.datatype, array.shape, {spec.name: spec})
    fits = spec.datatype == "BOOL" and array.dtype.kind == "b"
    tensor = Tensor(spec.name, spec.datatype, array if fits else fit_array(spec, array))
    rows = array.shape[0] if array.ndim else None
    return ask_tensors(loaded, (tensor,), rows, partial(_write, call, bytes))


def _write(call: HttpCall, wrap: Wrap, outputs: Outputs, rows: int | None) -> Written:
    """Write outputs as the caller accepts them: CSV, an array of numpy, or JSON."""
    accepted = most_wanted(_accept(call))
    if accepted == CSV:
        return Written(write_csv(outputs), CSV, suggest_less)
    if accepted == NPY:
        if len(outputs) > 1 or outputs[0].datatype == "BYTES":
            names = ", ".join(f"{each.name} ({each.datatype})" for each in outputs)
            raise UnsupportedFeature(f"{NPY} has one array of numbers; the model gives {names}")
        return Written(write_npy(outputs[0]), NPY, suggest_less)
    return write_outputs(wrap, outputs, rows)


def _accept(call: HttpCall) -> str:
    """Return what a caller accepts; for a stream the SDKs have another header."""
    return call.headers.get(f"{PREFIX}accept") or call.headers.get("accept", "")


def most_wanted(accept: str) -> str:
    """Return which of the types that are written a caller wants most; JSON if it wants none."""
    if not accept:
        return JSON
    weights: dict[str, float] = {}
    for part in accept.split(","):
        weight = 1.0
        with suppress(ValueError):
            weight = float(type_parameters(part).get("q", weight))
        if (kind := media_type(part)) in (JSON, CSV, NPY) and weight > 0:
            weights[kind] = weight
    return max(weights, key=weights.__getitem__, default=JSON)
