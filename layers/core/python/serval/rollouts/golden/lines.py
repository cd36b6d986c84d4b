"""Write lines of ``golden.jsonl``: small tensors as JSON for people to read, others as base64."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import encode_binary
from serval.protocol.json_tensors import BINARY_ONLY, spelled

LIMIT_READABLE = 4096
"""Elements of a tensor; longer ones nobody reads."""


def golden_line(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """Write a request and the answer that is expected of it as one line, its end included."""
    golden = {
        "request": {"inputs": [document(tensor) for tensor in inputs]},
        "response": {"outputs": [document(tensor) for tensor in outputs]},
    }
    return json.dumps(golden, allow_nan=False, ensure_ascii=False) + "\n"


def document(tensor: Tensor) -> Mapping[str, Any]:
    """Write a tensor as V2 JSON has it, or with ``base64`` where V2 has ``data``."""
    found: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.array.shape),
    }
    if tensor.array.size <= LIMIT_READABLE and tensor.datatype not in BINARY_ONLY:
        try:
            return found | {"data": elements(tensor)}
        except UnicodeDecodeError:  # BYTES that are no text
            pass
    return found | {"base64": b64encode(encode_binary(tensor.datatype, tensor.array)).decode()}


def elements(tensor: Tensor) -> Sequence[Any]:
    """List elements in row order; a float in its shortest digits."""
    flat = tensor.array.ravel()
    if tensor.datatype == "BYTES":
        return [element.decode() for element in flat.tolist()]
    if not tensor.datatype.startswith("FP"):
        return list(flat.tolist())
    return [float(str(value)) if isfinite(value) else spelled(float(value)) for value in flat]
