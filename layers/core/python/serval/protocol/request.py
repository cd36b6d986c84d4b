"""Inference requests: from bytes to named arrays.

Specification: Open Inference Protocol V2, ``inference_rest.md``, and Triton's
``extension_binary_data.md`` and ``extension_classification.md``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import simdjson

from serval.errors import (
    InvalidInputs,
    InvalidParameter,
    InvalidTensor,
    MalformedBody,
    UnsupportedFeature,
    short_repr,
)
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Tensor
from serval.protocol.binary_tensors import decode_binary
from serval.protocol.content import check_json_size
from serval.protocol.fit import check_complete, check_tensor, known
from serval.protocol.framing import framed
from serval.protocol.json_objects import Fields, glimpse, json_object, picked
from serval.protocol.json_tensors import decode_json
from serval.protocol.limits import MOST_JSON_BYTES

REQUEST_MEMBERS = frozenset({"id", "parameters", "inputs", "outputs"})
TENSOR_MEMBERS = frozenset({"name", "datatype", "shape", "parameters", "data"})
PARAMETERS = frozenset(
    {
        "binary_data",
        "binary_data_output",
        "binary_data_size",
        "classification",
        "shared_memory_region",
    }
)
MAX_DIMENSIONS = 32
MAX_TENSORS = 1024
MAX_EXTENT = 2**63 - 1
MAX_ELEMENTS = 2**60 - 1
"""What an array of 8-byte elements can count, extents of 0 left out."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a client asks of a model version."""

    inputs: tuple[Tensor, ...]
    request_id: str | None = None
    outputs: Mapping[str, bool] = field(default_factory=dict)
    """Requested outputs in order → is it to be binary; empty: all outputs."""
    binary_outputs: bool = False
    """Is an output binary that does not say itself."""


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
        return read_document(parsed(body), memoryview(b""), signature)
    sent, length = framed(body, header_length)
    check_json_size(length, json_limit)
    tail = memoryview(sent)[length:]
    if length == 0:
        return raw_request(tail, signature)
    return read_document(parsed(sent[:length]), tail, signature)


def parsed(text: str | bytes) -> Fields:
    """Parse the JSON part; what is inside stays lazy."""
    return picked(json_object(text, "an 'inputs' member"), REQUEST_MEMBERS)


def raw_request(tail: memoryview, signature: Signature) -> InferenceRequest:
    """Read a body that is nothing but the bytes of the model's only input, batch 1."""
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


def read_document(document: Fields, tail: memoryview, signature: Signature) -> InferenceRequest:
    """Read the JSON part and the binary tensors behind it."""
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise InvalidParameter("id", glimpse(request_id), "a string")
    binary_outputs = flag(parameters(document), "binary_data_output", default=False)
    inputs = read_tensors(members(document, "inputs"), tail, known(signature))
    check_complete({tensor.name for tensor in inputs}, signature)
    return InferenceRequest(
        inputs=inputs,
        request_id=request_id,
        outputs=read_outputs(document, binary_outputs) if "outputs" in document else {},
        binary_outputs=binary_outputs,
    )


def members(document: Fields, name: str) -> list[Fields]:
    """Give a list of objects from the document."""
    items = document.get(name)
    if not isinstance(items, simdjson.Array):
        raise MalformedBody(f"{name!r} is missing or not a list of tensors")
    if len(items) > MAX_TENSORS:
        raise MalformedBody(f"{name!r} has {len(items)} tensors, at most {MAX_TENSORS} allowed")
    found = []
    for index, item in enumerate(items):
        fields = picked(item, TENSOR_MEMBERS) if isinstance(item, simdjson.Object) else {}
        if not isinstance(fields.get("name"), str):
            raise MalformedBody(f"{name}[{index}] is not an object with a 'name'")
        found.append(fields)
    return found


def read_tensors(
    items: list[Fields], tail: memoryview, specs: Mapping[str, TensorSpec] | None = None
) -> tuple[Tensor, ...]:
    """Read tensors, slicing the binary ones off the tail in order.

    What does not fit ``specs`` is refused before its elements are read.
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
            array = decode_json(name, datatype, shape, item.get("data"))
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
        given = short_repr(glimpse(datatype))
        raise InvalidTensor(name, f"datatype {given} given, one of {', '.join(DATATYPES)} expected")
    return datatype


def read_shape(name: str, item: Fields) -> list[int]:
    """Read a tensor's shape."""
    array = item.get("shape")
    if not isinstance(array, simdjson.Array) or len(array) > MAX_DIMENSIONS:
        given = short_repr(glimpse(array))
        raise InvalidTensor(
            name, f"shape {given} given, a list of at most {MAX_DIMENSIONS} expected"
        )
    shape: list[Any] = list(array)
    for extent in shape:
        if type(extent) is not int or not 0 <= extent <= MAX_EXTENT:
            given = short_repr(glimpse(array))
            raise InvalidTensor(
                name, f"shape {given}: {short_repr(glimpse(extent))} is not an extent"
            )
    if math.prod(extent or 1 for extent in shape) > MAX_ELEMENTS:
        raise InvalidTensor(name, f"shape {shape!r} is more than any tensor holds")
    return shape


def binary_size(name: str, item: Fields) -> int | None:
    """Read ``parameters.binary_data_size``."""
    given = parameters(item)
    if "shared_memory_region" in given:
        raise UnsupportedFeature(f"tensor {short_repr(name)}: shared memory is not supported")
    size = given.get("binary_data_size")
    if size is None:
        if "data" not in item:
            raise InvalidTensor(name, "neither 'data' nor 'parameters.binary_data_size' given")
        return None
    if type(size) is not int or size < 0:
        raise InvalidTensor(
            name, f"binary_data_size {short_repr(glimpse(size))} is not a number of bytes"
        )
    if "data" in item:
        raise InvalidTensor(name, "both 'data' and 'parameters.binary_data_size' given")
    return size


def read_outputs(document: Fields, binary: bool) -> dict[str, bool]:
    """Read the requested outputs; ``binary`` is for those that do not say."""
    outputs: dict[str, bool] = {}
    for item in members(document, "outputs"):
        name, given = item["name"], parameters(item)
        if "classification" in given:
            raise UnsupportedFeature(
                f"output {short_repr(name)}: 'classification' is not supported"
            )
        if name in outputs:
            raise InvalidInputs(f"output {short_repr(name)} is requested twice")
        outputs[name] = flag(given, "binary_data", default=binary)
    return outputs


def parameters(item: Fields) -> Fields:
    """Read what there is to know of a ``parameters`` member."""
    given = item.get("parameters")
    if given is None:
        return {}
    if not isinstance(given, simdjson.Object):
        raise InvalidParameter("parameters", glimpse(given), "an object")
    return picked(given, PARAMETERS)


def flag(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Read a parameter that is true or false."""
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidParameter(name, glimpse(value), "true or false")
    return value
