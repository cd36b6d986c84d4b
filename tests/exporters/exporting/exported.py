"""What an exporter leaves: the ONNX file, a request, and what the original answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SEED = 7


def keep(folder: Path, inputs: dict[str, Any], answers: Sequence[Any]) -> None:
    """Write a request by input name, and the original's answers in the order of the outputs."""
    np.savez(folder / "inputs.npz", **{name: plain(array) for name, array in inputs.items()})
    np.savez(folder / "answers.npz", **{str(n): plain(array) for n, array in enumerate(answers)})


def plain(array: Any) -> np.ndarray[Any, Any]:
    """Give an array that needs no pickle: texts as such."""
    found = np.asarray(array)
    return found.astype(np.str_) if found.dtype.kind == "O" else found
