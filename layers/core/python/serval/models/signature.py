"""Signatures: names, datatypes and shapes of a version's inputs and outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a signature; -1 in ``shape`` is a dimension that may vary."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    may_miss: bool = False
    """Whether a null of a batch job's input is a missing value: NaN, or an empty text."""

    def to_json(self) -> dict[str, Any]:
        """Return the tensor as V2 model metadata has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TensorSpec":
        """Read what ``to_json`` returned."""
        return cls(value["name"], value["datatype"], tuple(value["shape"]))


@dataclass(frozen=True, slots=True)
class Signature:
    """Names, datatypes and shapes of a version's inputs and outputs."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    optional: tuple[TensorSpec, ...] = ()
    """Inputs that a request may leave out, because the model has values for them."""
    rows_interact: bool = False
    """Whether another axis has the extent of axis 0, so that a row's answer depends on others."""

    @property
    def varies(self) -> bool:
        """Whether an input has an open dimension beside axis 0, as texts and images of any size."""
        return any(-1 in spec.shape[1:] for spec in (*self.inputs, *self.optional))

    def to_json(self) -> dict[str, Any]:
        """Return ``inputs`` and ``outputs`` as V2 model metadata has them.

        Optional inputs, if any, are a separate member ``optional_inputs``.
        """
        optional = [spec.to_json() for spec in self.optional]
        return {
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
            **({"optional_inputs": optional} if optional else {}),
            **({"rows_interact": True} if self.rows_interact else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Signature":
        """Read what ``to_json`` returned."""
        return cls(
            tuple(TensorSpec.from_json(spec) for spec in value["inputs"]),
            tuple(TensorSpec.from_json(spec) for spec in value["outputs"]),
            tuple(TensorSpec.from_json(spec) for spec in value.get("optional_inputs", ())),
            bool(value.get("rows_interact", False)),
        )
