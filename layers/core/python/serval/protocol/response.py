"""Inference responses: from named arrays to bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import encode_binary
from serval.protocol.json_values import encode_json
from serval.protocol.request import InferenceRequest


@dataclass(frozen=True, slots=True)
class InferenceResponse:
    """What a model version answered."""

    model: str
    version: str
    outputs: Sequence[Tensor]


def write_response(
    response: InferenceResponse, request: InferenceRequest
) -> tuple[bytes, int | None]:
    """Write the body; also return the length of its JSON part if it carries binary tensors."""
    members: list[dict[str, Any]] = []
    tail: list[bytes | memoryview] = []
    for tensor in response.outputs:
        member: dict[str, Any] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": tensor.array.shape,
        }
        if request.outputs.get(tensor.name, request.binary_outputs):
            raw = encode_binary(tensor.datatype, tensor.array)
            member["parameters"] = {"binary_data_size": len(raw)}
            tail.append(raw)
        else:
            member["data"] = encode_json(tensor)
        members.append(member)
    document: dict[str, Any] = {
        "model_name": response.model,
        "model_version": response.version,
        "outputs": members,
    }
    if request.request_id is not None:
        document["id"] = request.request_id
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not tail:
        return head, None
    return b"".join((head, *tail)), len(head)
