"""Signatures: names, datatypes and shapes of a version's inputs and outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    optional: tuple[TensorSpec, ...] = ()
    """Inputs that a request may leave out: the model has values of its own for them."""
    rows_interact: bool = False
    """The extent of axis 0 is that of another axis too: what a row answers hangs on the others."""

    def to_json(self) -> dict[str, Any]:
        """Give the ``inputs`` and ``outputs`` members of V2 model metadata.

        Optional inputs are a member of their own, ``optional_inputs``, where there are any.
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
        """Read what ``to_json`` gave."""
        return cls(
            tuple(TensorSpec.from_json(spec) for spec in value["inputs"]),
            tuple(TensorSpec.from_json(spec) for spec in value["outputs"]),
            tuple(TensorSpec.from_json(spec) for spec in value.get("optional_inputs", ())),
            bool(value.get("rows_interact", False)),
        )
