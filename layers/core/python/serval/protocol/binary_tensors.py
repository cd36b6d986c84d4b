"""The binary tensor extension: little-endian, row-major, no padding, no separators.

Specification: Triton's ``extension_binary_data.md``.
"""

import math
from collections.abc import Sequence

import numpy as np

from serval.errors import InvalidTensor
from serval.models.tensor import DATATYPES, Array


def decode_binary(name: str, datatype: str, shape: Sequence[int], raw: memoryview) -> Array:
    """Read one tensor; fixed-size datatypes are views of ``raw``, nothing is copied.

    Raises
    ------
    InvalidTensor
        If the bytes do not hold exactly the shape.
    """
    count = math.prod(shape)
    if datatype == "BYTES":
        return bytes_array(read_bytes(name, raw, count), shape)
    dtype = DATATYPES[datatype]
    if count * dtype.itemsize != len(raw):
        raise InvalidTensor(
            name,
            f"shape {list(shape)} of {datatype} takes {count * dtype.itemsize} bytes, "
            f"got {len(raw)}",
        )
    array = np.frombuffer(raw, dtype)
    if datatype == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise InvalidTensor(name, "a BOOL byte is neither 0 nor 1")
    return array.reshape(shape)


def read_bytes(name: str, raw: memoryview, count: int) -> list[bytes]:
    """Read ``count`` elements, each a little-endian uint32 length and that many bytes."""
    if count * 4 > len(raw):
        raise InvalidTensor(
            name, f"{count} BYTES elements take at least {count * 4} bytes, got {len(raw)}"
        )
    elements, offset = [], 0
    for index in range(count):
        start = offset + 4
        offset = start + int.from_bytes(raw[offset:start], "little")
        if start > len(raw) or offset > len(raw):
            raise InvalidTensor(name, f"BYTES element {index} ends after the tensor's last byte")
        elements.append(bytes(raw[start:offset]))
    if offset != len(raw):
        raise InvalidTensor(name, f"{len(raw) - offset} bytes follow the last BYTES element")
    return elements


def bytes_array(elements: Sequence[bytes], shape: Sequence[int]) -> Array:
    """Build an object array; numpy's own byte strings would lose trailing zero bytes."""
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array.reshape(shape)


def encode_binary(datatype: str, array: Array) -> bytes | memoryview:
    """Encode a tensor; contiguous arrays are not copied."""
    if datatype == "BYTES":
        return b"".join(
            len(element).to_bytes(4, "little") + element for element in array.ravel().tolist()
        )
    return np.ascontiguousarray(array, DATATYPES[datatype]).reshape(-1).view(np.uint8).data
