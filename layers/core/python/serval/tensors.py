"""Tensors as the Open Inference Protocol V2 names them: datatypes, specifications, signatures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
"""V2 datatype → the numpy dtype that holds it. BF16 is held as its raw 16 bits."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a signature says of one tensor; -1 in ``shape`` is a dimension that may vary."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the member of V2 model metadata."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TensorSpec":
        """Read what ``to_json`` gave."""
        return cls(value["name"], value["datatype"], tuple(value["shape"]))


@dataclass(frozen=True, slots=True)
class Signature:
    """Names, datatypes and shapes of a version's inputs and outputs."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the ``inputs`` and ``outputs`` members of V2 model metadata."""
        return {
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Sequence[Mapping[str, Any]]]) -> "Signature":
        """Read what ``to_json`` gave."""
        return cls(
            tuple(TensorSpec.from_json(spec) for spec in value["inputs"]),
            tuple(TensorSpec.from_json(spec) for spec in value["outputs"]),
        )


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named array of a request or a reply.

    ``array`` has the tensor's shape; BYTES elements are ``bytes``, BF16 elements raw ``uint16``.
    """

    name: str
    datatype: str
    array: npt.NDArray[Any]
