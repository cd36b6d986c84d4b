"""Tensors as the Open Inference Protocol V2 names them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""As in ``numpy.typing``, whose import would cost time."""

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BF16": np.dtype("<u2"),
    "BYTES": np.dtype(np.object_),
}
"""V2 datatype → numpy dtype; BF16 is held as its raw 16 bits."""
NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Spellings of numbers that JSON lacks."""


class Digest(Protocol):
    """A hash of ``hashlib``."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named array of a request or a reply.

    ``array`` has the tensor's shape; BYTES elements are ``bytes``, BF16 elements raw ``uint16``.
    """

    name: str
    datatype: str
    array: Array


def add_to_digest(digest: Digest, tensors: Iterable[Tensor]) -> None:
    """Add tensors to a hash: names, datatypes, shapes and elements, so that no two mix."""
    for tensor in tensors:
        digest.update(f"/{tensor.name}/{tensor.datatype}/{tensor.array.shape}/".encode())
        if tensor.datatype == "BYTES":
            for each in tensor.array.reshape(-1).tolist():
                digest.update(len(each).to_bytes(8, "little"))
                digest.update(each)
        else:
            digest.update(tensor.array.tobytes())
