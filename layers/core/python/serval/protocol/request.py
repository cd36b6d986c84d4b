"""Inference requests: from bytes to named arrays.

Specification: Open Inference Protocol V2, ``inference_rest.md``, and Triton's
``extension_binary_data.md`` and ``extension_classification.md``.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import simdjson

from serval.errors import (
    InvalidInputs,
    InvalidParameter,
    InvalidTensor,
    MalformedBody,
    PayloadTooLarge,
    UnsupportedFeature,
)
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Tensor
from serval.protocol.binary_tensors import decode_binary
from serval.protocol.content import FEWER
from serval.protocol.even_lists import UNSEEN, ListText
from serval.protocol.framing import split_body
from serval.protocol.json_values import (
    Fields,
    decode_json,
    json_object,
    pick_members,
    preview,
    quote,
    read_flag,
    read_members,
    read_parameters,
)
from serval.protocol.limits import MOST_JSON_BYTES
from serval.short_repr import short_repr

REQUEST_MEMBERS = frozenset({"id", "parameters", "inputs", "outputs"})
MAX_DIMENSIONS = 32
MAX_EXTENT = 2**63 - 1
MAX_ELEMENTS = 2**60 - 1
"""The most elements of 8 bytes that an array can hold; extents of 0 do not count."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a client asks of a model version."""

    inputs: tuple[Tensor, ...]
    request_id: str | None = None
    outputs: Mapping[str, bool] = field(default_factory=dict)
    """Requested outputs in order → whether it is binary; empty: all outputs."""
    binary_outputs: bool = False
    """Whether outputs that do not say so are binary."""


def read_request(
    body: str | bytes,
    header_length: str | None,
    signature: Signature,
    json_limit: int = MOST_JSON_BYTES,
) -> InferenceRequest:
    """Read a body; ``header_length`` is the ``Inference-Header-Content-Length`` header.

    What a tensor says of itself is held against the signature before its elements are read.

    Raises
    ------
    InvalidRequest
        Naming the tensor, the value and the expectation.
    PayloadTooLarge
        If the JSON is longer than the limit.
    """
    if header_length is None:
        check_json_size(len(body), json_limit)
        return read_document(parse_head(body), memoryview(b""), signature, body)
    sent, length = split_body(body, header_length)
    check_json_size(length, json_limit)
    tail = memoryview(sent)[length:]
    if length == 0:
        return read_raw_request(tail, signature)
    return read_document(parse_head(sent[:length]), tail, signature)


def read_parsed_request(document: Any, signature: Signature) -> InferenceRequest:
    """Read a parsed body of JSON alone, and check which outputs it asks for."""
    fields = pick_members(document, REQUEST_MEMBERS)
    request = read_document(fields, memoryview(b""), signature)
    output_names(request.outputs, signature)
    return request


def check_json_size(size_bytes: int, limit_bytes: int = MOST_JSON_BYTES) -> None:
    """Refuse JSON that takes more memory than there is."""
    if size_bytes > limit_bytes:
        raise PayloadTooLarge("JSON", size_bytes, limit_bytes, f"send binary tensors, {FEWER}")


def parse_head(text: str | bytes) -> Fields:
    """Parse the JSON part; what is inside stays lazy."""
    return pick_members(json_object(text, "an 'inputs' member"), REQUEST_MEMBERS)


def read_raw_request(tail: memoryview, signature: Signature) -> InferenceRequest:
    """Read a body that is only the bytes of the model's one input, batch 1."""
    if len(signature.inputs) != 1:
        raise MalformedBody(
            f"a raw request (Inference-Header-Content-Length: 0) needs a model with one input, "
            f"this one has {len(signature.inputs)}"
        )
    spec = signature.inputs[0]
    shape = [1 if extent == -1 and axis == 0 else extent for axis, extent in enumerate(spec.shape)]
    if spec.datatype == "BYTES":
        tail = memoryview(len(tail).to_bytes(4, "little") + tail)
    elif -1 in shape and shape.count(-1) == 1:
        size = DATATYPES[spec.datatype].itemsize
        for extent in shape:
            size *= extent if extent != -1 else 1
        shape[shape.index(-1)] = len(tail) // size if size else 0
    if -1 in shape:
        raise InvalidTensor(
            spec.name, f"shape {list(spec.shape)} leaves a raw request's extents open"
        )
    array = decode_binary(spec.name, spec.datatype, shape, tail)
    return InferenceRequest((Tensor(spec.name, spec.datatype, array),), binary_outputs=True)


def read_document(
    document: Fields, tail: memoryview, signature: Signature, text: str | bytes = b""
) -> InferenceRequest:
    """Read the JSON part and the binary tensors after it; ``text`` is its text, if at hand."""
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise InvalidParameter("id", preview(request_id), "a string")
    binary_outputs = read_flag(read_parameters(document), "binary_data_output", default=False)
    items = read_members(document, "inputs")
    # Beside an only input's data there are these lists: of inputs, of outputs, and its shape.
    source = ListText(text, 2 + ("outputs" in document)) if len(items) == 1 else UNSEEN
    inputs = read_tensors(items, tail, input_specs(signature), source)
    check_complete({tensor.name for tensor in inputs}, signature)
    outputs = read_outputs(document, binary_outputs) if "outputs" in document else {}
    return InferenceRequest(inputs, request_id, outputs, binary_outputs)


def read_tensors(
    items: list[Fields],
    tail: memoryview,
    specs: Mapping[str, TensorSpec] | None = None,
    source: ListText = UNSEEN,
) -> tuple[Tensor, ...]:
    """Read tensors, slicing the binary ones off the tail in order.

    What does not fit ``specs`` is refused before its elements are read; ``source`` has their data.
    """
    offset = 0
    tensors: dict[str, Tensor] = {}
    for item in items:
        name = item["name"]
        if name in tensors:
            raise InvalidInputs(f"input {short_repr(name)} is given twice")
        datatype, shape = read_datatype(name, item), read_shape(name, item)
        size = binary_size(name, item)
        if specs is not None:
            check_tensor(name, datatype, shape, specs)
        if size is None:
            array = decode_json(name, datatype, shape, item.get("data"), source)
        elif offset + size <= len(tail):
            array = decode_binary(name, datatype, shape, tail[offset : offset + size])
            offset += size
        else:
            left = len(tail) - offset
            raise InvalidTensor(
                name, f"binary_data_size is {size}, but {left} bytes are left in the body"
            )
        tensors[name] = Tensor(name, datatype, array)
    if offset != len(tail):
        raise MalformedBody(
            f"the binary tensors take {offset} bytes, but {len(tail)} follow the JSON part"
        )
    return tuple(tensors.values())


def read_datatype(name: str, item: Fields) -> str:
    """Read a tensor's datatype."""
    datatype = item.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise InvalidTensor(
            name, f"datatype {quote(datatype)} given, one of {', '.join(DATATYPES)} expected"
        )
    return datatype


def read_shape(name: str, item: Fields) -> list[int]:
    """Read a tensor's shape."""
    array = item.get("shape")
    if not isinstance(array, simdjson.Array) or len(array) > MAX_DIMENSIONS:
        raise InvalidTensor(
            name, f"shape {quote(array)} given, a list of at most {MAX_DIMENSIONS} expected"
        )
    shape: list[Any] = list(array)
    for extent in shape:
        if type(extent) is not int or not 0 <= extent <= MAX_EXTENT:
            raise InvalidTensor(name, f"shape {quote(array)}: {quote(extent)} is not an extent")
    if math.prod(extent or 1 for extent in shape) > MAX_ELEMENTS:
        raise InvalidTensor(name, f"shape {shape!r} is more than any tensor holds")
    return shape


def binary_size(name: str, item: Fields) -> int | None:
    """Read ``parameters.binary_data_size``."""
    given = read_parameters(item)
    if "shared_memory_region" in given:
        raise UnsupportedFeature(f"tensor {short_repr(name)}: shared memory is not supported")
    size = given.get("binary_data_size")
    if size is None:
        if "data" not in item:
            raise InvalidTensor(name, "neither 'data' nor 'parameters.binary_data_size' given")
        return None
    if type(size) is not int or size < 0:
        raise InvalidTensor(name, f"binary_data_size {quote(size)} is not a number of bytes")
    if "data" in item:
        raise InvalidTensor(name, "both 'data' and 'parameters.binary_data_size' given")
    return size


def read_outputs(document: Fields, binary: bool) -> dict[str, bool]:
    """Read the requested outputs; ``binary`` is for those that do not say."""
    outputs: dict[str, bool] = {}
    for item in read_members(document, "outputs"):
        name, given = item["name"], read_parameters(item)
        if "classification" in given:
            raise UnsupportedFeature(
                f"output {short_repr(name)}: 'classification' is not supported"
            )
        if name in outputs:
            raise InvalidInputs(f"output {short_repr(name)} is requested twice")
        outputs[name] = read_flag(given, "binary_data", default=binary)
    return outputs


def check_tensor(
    name: str, datatype: str, shape: Sequence[int], specs: Mapping[str, TensorSpec]
) -> None:
    """Refuse an input that the signature does not have, or describes differently.

    Raises
    ------
    InvalidInputs
        If the signature has no such input.
    InvalidTensor
        If its datatype, rank or an extent differs.
    """
    spec = specs.get(name)
    if spec is None:
        raise InvalidInputs(f"input {name!r:.80} is unknown: the model takes {', '.join(specs)}")
    if datatype != spec.datatype:
        raise InvalidTensor(name, f"datatype {datatype} given, {spec.datatype} expected")
    if len(shape) == len(spec.shape):
        for extent, wanted in zip(shape, spec.shape, strict=True):
            if extent != wanted and wanted != -1:
                break
        else:
            return
    raise InvalidTensor(
        name, f"shape {list(shape)} given, {list(spec.shape)} expected (-1: any extent)"
    )


def input_specs(signature: Signature) -> dict[str, TensorSpec]:
    """Return the inputs that a request may have, by name."""
    return {spec.name: spec for spec in (*signature.inputs, *signature.optional)}


def check_complete(given: Collection[str], signature: Signature) -> None:
    """Refuse a request without an input for which the model has no default."""
    missing = [spec.name for spec in signature.inputs if spec.name not in given]
    if missing:
        raise InvalidInputs(f"input {', '.join(map(repr, missing))} is missing")


def output_names(requested: Iterable[str], signature: Signature) -> list[str]:
    """Return the outputs to compute: those requested, or all.

    Raises
    ------
    InvalidInputs
        If the signature has no such output.
    """
    known = [spec.name for spec in signature.outputs]
    names = list(requested)
    for name in names:
        if name not in known:
            raise InvalidInputs(
                f"output {name!r:.80} is unknown: the model gives {', '.join(known)}"
            )
    return names or known
