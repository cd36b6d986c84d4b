"""JSON tensors: parsed straight into buffers, flat or nested, row-major.

JSON has no NaN and no infinity. Serval writes and reads them as the strings "NaN", "Infinity" and
"-Infinity", the JSON mapping of protocol buffers
(https://protobuf.dev/programming-guides/json/), which numpy parses too.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from serval.errors import InvalidTensor, shown
from serval.protocol.binary_tensors import bytes_array
from serval.tensors import DATATYPES, Array, Tensor

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
BINARY_ONLY = frozenset({"FP16", "BF16"})
JSON_KIND = {"f": "a number", "i": "an integer", "u": "an integer that is not negative"}


def decode_json(name: str, datatype: str, shape: Sequence[int], data: Any) -> Array:
    """Read the ``data`` member of a tensor, a ``simdjson.Array``.

    Raises
    ------
    InvalidTensor
        If the elements do not fill the shape or do not fit the datatype.
    """
    if datatype in BINARY_ONLY:
        raise InvalidTensor(name, f"{datatype} travels only as a binary tensor, not as JSON")
    if not hasattr(data, "as_buffer"):
        given = data.as_dict() if hasattr(data, "as_dict") else data
        raise InvalidTensor(name, f"data: an array expected, got {shown(given)}")
    check_nesting(name, shape, data)
    dtype = DATATYPES[datatype]
    if dtype.kind in "fiu":
        array = numbers(name, datatype, dtype, data)
    else:
        array = other_elements(name, datatype, data)
    if array.size != math.prod(shape):
        raise InvalidTensor(
            name, f"shape {list(shape)} holds {math.prod(shape)} values, got {array.size}"
        )
    return array.reshape(shape)


def check_nesting(name: str, shape: Sequence[int], data: Any) -> None:
    """Refuse nested data whose lists do not follow the shape."""
    if len(data) == 0 or not hasattr(data[0], "as_buffer"):
        return
    level = [data]
    for axis, extent in enumerate(shape):
        for row in level:
            if not hasattr(row, "as_buffer") or len(row) != extent:
                raise InvalidTensor(
                    name, f"nested data does not follow shape {list(shape)} on axis {axis}"
                )
        if axis + 1 < len(shape):
            level = [row for rows in level for row in rows]
    if level and len(level[0]) and hasattr(level[0][0], "as_buffer"):
        raise InvalidTensor(name, f"data is nested deeper than shape {list(shape)}")


def numbers(name: str, datatype: str, dtype: np.dtype[Any], data: Any) -> Array:
    """Read numbers through one buffer of the widest type of their kind."""
    wide = {"f": "d", "i": "i", "u": "u"}[dtype.kind]
    try:
        buffer = np.frombuffer(
            data.as_buffer(of_type=wide), {"d": "f8", "i": "i8", "u": "u8"}[wide]
        )
    except (TypeError, ValueError):
        return spelled_numbers(name, datatype, dtype, data)
    return narrowed(name, datatype, dtype, buffer)


def narrowed(name: str, datatype: str, dtype: np.dtype[Any], wide: Array) -> Array:
    """Convert to the tensor's own type, refusing what it cannot hold."""
    if wide.dtype == dtype or wide.size == 0:
        return wide.astype(dtype, copy=False)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            narrow = wide.astype(dtype)
        overflown = ~np.isfinite(narrow)
        if overflown.any() and np.isfinite(wide[overflown]).any():
            worst = wide[overflown][np.isfinite(wide[overflown])][0]
            raise InvalidTensor(name, f"{worst} does not fit {datatype}")
        return narrow
    limits = np.iinfo(dtype)
    smallest, largest = wide.min(), wide.max()
    if smallest < limits.min or largest > limits.max:
        worst = smallest if smallest < limits.min else largest
        raise InvalidTensor(name, f"{worst} does not fit {datatype}")
    return wide.astype(dtype)


def spelled_numbers(name: str, datatype: str, dtype: np.dtype[Any], data: Any) -> Array:
    """Read numbers one by one: for the non-finite ones, and to name the element that is wrong."""
    values = []
    for index, value in enumerate(flat(data.as_list())):
        if dtype.kind == "f" and isinstance(value, str) and value in NON_FINITE:
            value = NON_FINITE[value]
        wanted = (int, float) if dtype.kind == "f" else int
        negative = dtype.kind == "u" and isinstance(value, int) and value < 0
        if isinstance(value, bool) or not isinstance(value, wanted) or negative:
            raise InvalidTensor(
                name,
                f"element {index} is {shown(value)}, {JSON_KIND[dtype.kind]} expected "
                f"for {datatype}",
            )
        values.append(value)
    try:
        wide = np.array(values, {"f": "f8", "i": "i8", "u": "u8"}[dtype.kind])
    except OverflowError:
        raise InvalidTensor(name, f"a value does not fit {datatype}") from None
    return narrowed(name, datatype, dtype, wide)


def other_elements(name: str, datatype: str, data: Any) -> Array:
    """Read BOOL and BYTES elements."""
    elements = list(flat(data.as_list()))
    wanted: type = bool if datatype == "BOOL" else str
    for index, value in enumerate(elements):
        if not isinstance(value, wanted):
            expected = "true or false" if datatype == "BOOL" else "a string"
            raise InvalidTensor(
                name, f"element {index} is {shown(value)}, {expected} expected for {datatype}"
            )
    if datatype == "BOOL":
        return np.array(elements, np.bool_)
    return bytes_array([element.encode() for element in elements], (len(elements),))


def flat(values: Sequence[Any]) -> Iterator[Any]:
    """Walk nested lists in row-major order; as deep as they go, each element costs the same."""
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, list):
                waiting.append(iter(value))
                break
            yield value
        else:
            waiting.pop()


def encode_json(tensor: Tensor) -> Array | list[Any]:
    """Give the ``data`` member of a tensor: what orjson writes, flat.

    Raises
    ------
    InvalidTensor
        If a BYTES element is not UTF-8 and so has no JSON form.
    """
    values, datatype = tensor.array.ravel(), tensor.datatype
    if datatype == "BYTES":
        try:
            return [element.decode() for element in values.tolist()]
        except UnicodeDecodeError:
            raise InvalidTensor(
                tensor.name, "a BYTES element is not UTF-8: request this output as binary_data"
            ) from None
    if datatype == "BF16":
        values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return [spelled(value) for value in values.tolist()]
    return np.ascontiguousarray(values)


def spelled(value: float) -> float | str:
    """Spell what JSON has no number for."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
