"""Tensors as numpy arrays: written to bytes, read from bytes; imported only where numpy is."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serval.client.failures import InvalidInput
from serval.errors import InvalidTensor
from serval.models.tensor import DATATYPES, NON_FINITE, Array
from serval.protocol.binary_tensors import bytes_array, decode_binary, encode_binary

BFLOAT16_NAN = 0x7FC0


def array_bytes(name: str, datatype: str, array: Array) -> bytes:
    """Write an array as a binary tensor, converted to the tensor's datatype.

    Numbers may become wider or narrower of their kind, and integers floats; nothing else is
    converted.

    Raises
    ------
    InvalidInput
        If the array is of another kind.
    """
    array = np.asarray(array)
    if datatype == "BYTES" and array.dtype.kind in "OSUT":
        elements = [to_bytes(name, one) for one in array.ravel().tolist()]
        return bytes(encode_binary(datatype, bytes_array(elements, [len(elements)])))
    carried = "FP32" if datatype == "BF16" else datatype
    kept = convert(carried, array) if carried in DATATYPES else None
    if kept is None:
        raise InvalidInput(
            f"input {name!r}: an array of {array.dtype} given, one that fits {datatype} expected"
        )
    return bytes(encode_binary(datatype, round_to_bfloat16(kept) if datatype == "BF16" else kept))


def convert(datatype: str, array: Array) -> Array | None:
    """Convert an array to a datatype that holds its values, but for the digits of floats."""
    target, given = DATATYPES[datatype], array.dtype
    if target.kind == "f" and given.kind in "fiu":
        with np.errstate(over="ignore"):
            narrow: Array = array.astype(target)
        return None if (~np.isfinite(narrow) & np.isfinite(array)).any() else narrow
    if target.kind in "iu" and given.kind in "iu":
        limits = np.iinfo(target)
        if array.size and (array.min() < limits.min or array.max() > limits.max):
            return None
        return array.astype(target)
    return array if given == target and target.kind == "b" else None


def to_bytes(name: str, element: Any) -> bytes:
    """Return an element of BYTES as bytes."""
    if isinstance(element, str):
        return element.encode()
    if isinstance(element, bytes):
        return element
    raise InvalidInput(f"input {name!r}: {element!r:.80} given, a text or bytes expected")


def list_bytes(
    datatype: str, shape: Sequence[int], data: Any, elements: Sequence[Any]
) -> bytes | None:
    """Write lists as a binary tensor; None for those that the API had better read, and refuse.

    Parameters
    ----------
    elements
        Of ``data``, flat.
    """
    if datatype not in DATATYPES or len(elements) != math.prod(shape):
        return None
    if datatype == "BYTES":
        if not all(isinstance(one, str) for one in elements):
            return None
        return array_bytes("", datatype, bytes_array([one.encode() for one in elements], shape))
    if DATATYPES[datatype].kind == "f" or datatype == "BF16":
        elements = [NON_FINITE.get(one, one) if isinstance(one, str) else one for one in elements]
    kinds = {type(one) for one in elements}
    if len(kinds & {bool, str}) and len(kinds) > 1:
        return None
    try:
        return array_bytes("", datatype, np.array(elements))
    except (ValueError, OverflowError, InvalidInput):
        return None


def round_to_bfloat16(array: Array) -> Array:
    """Round FP32 to the nearest bfloat16, ties to even; the result holds the raw 16-bit words."""
    words: Array = array.view(np.uint32)
    rounded: Array = ((words + (0x7FFF + ((words >> 16) & 1))) >> 16).astype(np.uint16)
    rounded[np.isnan(array)] = BFLOAT16_NAN
    return rounded


def read_array(output: Mapping[str, Any], raw: memoryview) -> Array:
    """Read a binary tensor; BF16 becomes float32.

    Raises
    ------
    InvalidInput
        If the bytes do not hold exactly the shape.
    """
    name, datatype, shape = output["name"], output["datatype"], output["shape"]
    try:
        array = decode_binary(name, datatype, shape, raw)
    except InvalidTensor as error:
        raise InvalidInput(f"the API's answer: {error}") from None
    if datatype != "BF16":
        return array
    widened: Array = (array.astype(np.uint32) << 16).view(np.float32)
    return widened


def to_array(datatype: str, shape: Sequence[int], data: Sequence[Any]) -> Array:
    """Make an array of the flat list that JSON has; BYTES become ``bytes``."""
    if datatype == "BYTES":
        return bytes_array([str(one).encode() for one in data], shape)
    elements = [NON_FINITE.get(one, one) if isinstance(one, str) else one for one in data]
    carried = "FP32" if datatype == "BF16" else datatype
    return np.array(elements, DATATYPES[carried]).reshape(shape)
