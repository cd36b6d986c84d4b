"""The value of a step, as the data bucket keeps it between two steps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.models.signature import TensorSpec
from serval.pipelines.run_values import Value
from serval.protocol.client import read_response
from serval.protocol.request import InferenceRequest
from serval.protocol.response import InferenceResponse, write_response
from serval.requests.step_records import StepRecord

BINARY = InferenceRequest(inputs=(), binary_outputs=True)


@dataclass(frozen=True, slots=True)
class KeptValue:
    """A value as bytes, and what its record says of it."""

    body: bytes
    described: Mapping[str, Any]


def keep(model: str, version: str, value: Value) -> KeptValue:
    """Write a value: JSON, or tensors as a response of the Open Inference Protocol V2."""
    if value.tensors is None:
        return KeptValue(json.dumps(value.json).encode(), {})
    response = InferenceResponse(model, version, list(value.tensors.values()))
    body, length = write_response(response, BINARY)
    outputs = [value.specs[name].to_json() for name in value.tensors]
    return KeptValue(body, {"header_length": length, "outputs": outputs})


def read_kept(body: bytes, record: StepRecord) -> Value:
    """Read what ``keep`` wrote."""
    if record.outputs is None:
        return Value(json=json.loads(body))
    specs = {spec.name: spec for spec in map(TensorSpec.from_json, record.outputs)}
    length = None if record.header_length is None else str(record.header_length)
    tensors = read_response(body, length, list(specs.values()))
    return Value({tensor.name: tensor for tensor in tensors}, specs=specs)
