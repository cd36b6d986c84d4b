"""Dense layers behind a pooled embedding, read from the folder of sentence-transformers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serval.foreign import refusing
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.scores import sigmoid

WEIGHTS = "model.safetensors"
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "Identity": np.asarray,
    "Tanh": lambda values: np.tanh(values),
    "ReLU": lambda values: np.maximum(values, 0),
    "Sigmoid": sigmoid,
}
"""By the last part of their names in torch."""
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A linear layer, [out, in] and [out], its activation, and what is added behind that."""

    weight: Array
    bias: Array
    activation: str
    residual: Array | None = None
    """[out, in]: a projection of the input that is added to the output."""

    @classmethod
    def from_folder(cls, files: TaskFiles, folder: str) -> "DenseLayer":
        """Read config.json and the weights.

        Raises
        ------
        TaskUnreadable
            If the weights are missing or damaged, or the activation is not one of a few.
        """
        config = files.json(f"{folder}/config.json")
        name = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
        if name not in ACTIVATIONS:
            raise TaskUnreadable(
                f"{folder}/config.json: activation_function {name!r} is none of "
                f"{', '.join(ACTIVATIONS)}"
            )
        where = f"{folder}/{WEIGHTS}"
        path = files.path(where, "the weights of a layer that modules.json names")
        with refusing(lambda said: TaskUnreadable(f"{where}: {said}")):
            arrays = read_safetensors(path)
            weight = arrays["linear.weight"]
            bias = arrays.get("linear.bias", np.zeros(len(weight), "f4"))
            if not config.get("use_residual"):
                return cls(weight, bias, name)
            # Sizes that are equal need no projection.
            alike = weight.shape[0] == weight.shape[1]
            identity = np.eye(len(weight), dtype="f4")
            return cls(weight, bias, name, identity if alike else arrays["residual.weight"])

    def apply(self, embeddings: Array) -> Array:
        """Return [batch, out] for embeddings [batch, in]."""
        result: Array = ACTIVATIONS[self.activation](embeddings @ self.weight.T + self.bias)
        return result if self.residual is None else result + embeddings @ self.residual.T


def read_safetensors(path: Path) -> dict[str, Array]:
    """Return the float arrays of a safetensors file, as float32, by name.

    The format is 8 bytes with the length of a JSON header, the header, and the arrays one after
    another (https://huggingface.co/docs/safetensors).
    """
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        raw = np.frombuffer(content[begin + first : begin + last], DTYPES[entry["dtype"]])
        arrays[name] = raw.reshape(entry["shape"]).astype(np.float32)
    return arrays
