"""Tensors as JSON's values, and the other way round."""

import base64
import binascii
from typing import Any

import numpy as np

from serval.errors import InvalidTensor
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.pipelines.expressions import ExpressionWrong
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.request import check_tensor
from serval.short_repr import short_repr

ONE: tuple[int, ...] = (1,)
"""The shape of a tensor that is one value: expressions see the value, and no list of it."""
MOST_READ = 65_536
"""Elements of a tensor that an expression may read."""
BASE64 = "base64"


def tensor_json(tensor: Tensor, shape: tuple[int, ...]) -> Any:
    """Return a tensor as nested lists; one that is declared as one value as that value.

    Raises
    ------
    ExpressionWrong
        If it is too long for an expression, or has what JSON lacks.
    """
    array = tensor.array
    if array.size > MOST_READ:
        raise ExpressionWrong(
            f"tensor {tensor.name!r} has {array.size} elements, at most {MOST_READ} may be read by "
            "an expression: hand it on by its name"
        )
    if tensor.datatype == "BF16":
        raise ExpressionWrong(f"tensor {tensor.name!r} is BF16, which expressions do not read")
    listed = array.tolist()
    if tensor.datatype == "BYTES":
        listed = _texts(tensor.name, listed)
    return listed[0] if shape == ONE else listed


def _texts(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(name, each) for each in value]
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ExpressionWrong(f"tensor {name!r} is no text, which expressions read") from None


def make_tensor(spec: TensorSpec, value: Any) -> Tensor:
    """Make a tensor of a JSON value: nested lists, or the value of a tensor that is only one.

    Raises
    ------
    InvalidTensor
        If it does not fit the datatype or the shape.
    """
    if not isinstance(value, list):
        value = [value]
    elements: list[Any] = []
    shape = _flatten(spec.name, value, elements)
    check_tensor(spec.name, spec.datatype, shape, {spec.name: spec})
    return Tensor(spec.name, spec.datatype, _array(spec, elements, shape))


def _flatten(name: str, value: list[Any], elements: list[Any]) -> list[int]:
    """Collect the elements of nested lists, and return their shape."""
    if not value or not isinstance(value[0], list):
        if any(isinstance(each, list) for each in value):
            raise InvalidTensor(name, "lists of equal lengths expected")
        elements += value
        return [len(value)]
    shapes = [_flatten(name, each, elements) if isinstance(each, list) else None for each in value]
    if any(shape != shapes[0] for shape in shapes):
        raise InvalidTensor(name, "lists of equal lengths expected")
    return [len(value), *(shapes[0] or ())]


def _array(spec: TensorSpec, elements: list[Any], shape: list[int]) -> Array:
    if spec.datatype == "BYTES":
        return bytes_array([_bytes(spec.name, each) for each in elements], shape)
    wanted: type | tuple[type, ...] = int
    if spec.datatype == "BOOL":
        wanted = bool
    elif spec.datatype.startswith("FP"):
        wanted = (int, float)
    for each in elements:
        if not isinstance(each, wanted) or (isinstance(each, bool) and wanted is not bool):
            raise InvalidTensor(spec.name, f"{short_repr(each)} given, {spec.datatype} expected")
    if spec.datatype == "BF16":
        raise InvalidTensor(spec.name, "BF16 is not made of JSON")
    try:
        return np.array(elements, DATATYPES[spec.datatype]).reshape(shape)
    except OverflowError:
        raise InvalidTensor(spec.name, f"a number does not fit {spec.datatype}") from None


def _bytes(name: str, value: Any) -> bytes:
    """Return an element of BYTES: a text's, or those of ``{"base64": …}``."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and isinstance(value.get(BASE64), str):
        try:
            return base64.b64decode(value[BASE64], validate=True)
        except binascii.Error as error:
            raise InvalidTensor(name, f"'base64' is invalid: {error}") from None
    raise InvalidTensor(name, f"{short_repr(value)} given, a text or {{'base64': …}} expected")
