"""Golden requests: inference requests with the outputs that a model is expected to give.

Each line of a ``golden.jsonl`` is one JSON object,
``{"request": <V2 inference request>, "response": {"outputs": [<V2 tensor>, …]}}``, or
``{"request": {"inputs": …, "parameters": {…}}, "answer": …}`` in the words of a task.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from serval.models.tensor import DATATYPES

Arrays = Mapping[str, npt.NDArray[Any]]
"""Tensor name → array, with the rows on axis 0."""


def write(path: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Write held-out inputs and their expected outputs as golden requests."""
    rows = len(next(iter(inputs.values())))
    lines = [line(inputs, outputs, batch) for batch in batches(rows)]
    path.write_bytes(b"".join(lines))


def write_task(
    path: Path, inputs: Sequence[Any], answers: Sequence[Any], **parameters: Any
) -> None:
    """Write inputs and their expected answers as golden requests in the words of a task."""
    lines = (
        task_line(inputs[batch], answers[batch], **parameters) for batch in batches(len(inputs))
    )
    path.write_bytes(b"".join(lines))


def task_line(inputs: Any, answer: Any, **parameters: Any) -> bytes:
    """Give one golden request in the words of a task."""
    request = {"inputs": inputs, **({"parameters": parameters} if parameters else {})}
    return orjson.dumps({"request": request, "answer": answer}, option=orjson.OPT_APPEND_NEWLINE)


def batches(rows: int) -> Iterator[slice]:
    """Cut the rows into batches of 1, 2, 4, … rows, since a request may have any number."""
    start, size = 0, 1
    while start < rows:
        yield slice(start, start + size)
        start, size = start + size, size * 2


def line(inputs: Arrays, outputs: Arrays, batch: slice) -> bytes:
    """Give one golden request; orjson writes a float32 in its own, shortest digits."""
    golden = {
        "request": {"inputs": tensors(inputs, batch)},
        "response": {"outputs": tensors(outputs, batch)},
    }
    return orjson.dumps(golden, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def tensors(arrays: Arrays, batch: slice) -> list[dict[str, Any]]:
    """Give a batch of arrays as V2 tensors."""
    return [
        {
            "name": name,
            "datatype": datatype(array.dtype),
            "shape": array[batch].shape,
            "data": np.ascontiguousarray(array[batch].ravel()),
        }
        for name, array in arrays.items()
    ]


def datatype(dtype: np.dtype[Any]) -> str:
    """Name a numpy dtype as V2 does."""
    return next(name for name, held in DATATYPES.items() if held == dtype)
