"""The client's side of the protocol: requests written, responses read.

Specification: Open Inference Protocol V2, ``inference_rest.md``, and Triton's
``extension_binary_data.md``.
"""

import json
from collections.abc import Sequence
from typing import Any

from serval.errors import InvalidRequest
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import encode_binary
from serval.protocol.framing import json_length
from serval.protocol.json_values import read_members
from serval.protocol.request import parse_head, read_tensors

HEADER = "Inference-Header-Content-Length"


def write_request(
    inputs: Sequence[Tensor], outputs: Sequence[TensorSpec], *, binary_outputs: bool = True
) -> tuple[bytes, bytes]:
    """Write a request with binary inputs; return its JSON part, and the whole."""
    raw = [encode_binary(tensor.datatype, tensor.array) for tensor in inputs]
    document: dict[str, Any] = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": tensor.array.shape,
                "parameters": {"binary_data_size": len(own)},
            }
            for tensor, own in zip(inputs, raw, strict=True)
        ],
        "outputs": [
            {"name": spec.name, "parameters": {"binary_data": binary_outputs}} for spec in outputs
        ],
    }
    head = json.dumps(document).encode()
    return head, b"".join((head, *raw))


def read_response(
    body: bytes, header_length: str | None, outputs: Sequence[TensorSpec]
) -> list[Tensor]:
    """Read a response's outputs.

    Raises
    ------
    InvalidRequest
        If it is none, or has others than were asked for.
    """
    length = len(body) if header_length is None else json_length(header_length, len(body))
    document = parse_head(body[:length])
    tensors = read_tensors(read_members(document, "outputs"), memoryview(body)[length:])
    by_name = {tensor.name: tensor for tensor in tensors}
    for spec in outputs:
        given = by_name[spec.name].datatype if spec.name in by_name else "nothing"
        if given != spec.datatype:
            raise InvalidRequest(f"output {spec.name!r}: {given} given, {spec.datatype} expected")
    return [by_name[spec.name] for spec in outputs]
