"""Outputs as predictions, for the protocols that answer with rows instead of tensors."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from serval.models.tensor import Array, Tensor
from serval.protocol.json_values import spell_number

NUMPY = orjson.OPT_SERIALIZE_NUMPY


def write_rows(outputs: Sequence[Tensor], rows: int) -> bytes:
    """Write a JSON list with a prediction for each row.

    Of a single output a prediction is its value; of several, an object with the value of each. If
    an output lacks a value for each row, the outputs are written as a whole instead.
    """
    if len(outputs) == 1 or any(_length(tensor) != rows for tensor in outputs):
        return write_whole(outputs)
    columns = [_write_each(tensor) for tensor in outputs]
    members = [orjson.dumps(tensor.name).replace(b"%", b"%%") + b":%b" for tensor in outputs]
    template = b"{" + b",".join(members) + b"}"
    return b"[" + b",".join([template % row for row in zip(*columns, strict=True)]) + b"]"


def write_whole(outputs: Sequence[Tensor]) -> bytes:
    """Write the only output as nested lists, or an object with all of several."""
    if len(outputs) == 1:
        return orjson.dumps(nested_value(outputs[0]), option=NUMPY)
    named = {tensor.name: nested_value(tensor) for tensor in outputs}
    return orjson.dumps(named, option=NUMPY)


def nested_value(tensor: Tensor) -> Array | list[Any]:
    """Return a tensor as orjson writes it, in nested lists.

    Numbers that JSON lacks are text, as in an inference response; bytes that are no text are
    ``{"b64": …}``, as TensorFlow Serving writes them.
    """
    array = tensor.array
    if tensor.datatype == "BYTES":
        return _map(array, _write_bytes)
    if tensor.datatype == "BF16":
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return _map(array, spell_number)
    return np.ascontiguousarray(array)


def _length(tensor: Tensor) -> int:
    return tensor.array.shape[0] if tensor.array.ndim else -1


def _write_each(tensor: Tensor) -> list[bytes]:
    """Write the values of an output's rows; at most two axes are cut out of one text."""
    value = nested_value(tensor)
    if isinstance(value, np.ndarray) and value.size and value.ndim <= 2:
        text = orjson.dumps(value, option=NUMPY)
        if value.ndim == 1:
            return text[1:-1].split(b",")
        return [b"[" + row + b"]" for row in text[2:-2].split(b"],[")]
    return [orjson.dumps(row, option=NUMPY) for row in value]


def _map(array: Array, write: Any) -> list[Any]:
    """Replace every element by what JSON has for it."""
    written = np.empty(array.size, np.object_)
    written[:] = [write(value) for value in array.ravel().tolist()]
    found: list[Any] = written.reshape(array.shape).tolist()
    return found


def _write_bytes(element: bytes) -> str | dict[str, str]:
    try:
        return element.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(element).decode()}
