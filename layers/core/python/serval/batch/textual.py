"""Answers of datatype BYTES as text: a row whose bytes are none is not answered by half."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from serval.batch.answers import Answers, Failure
from serval.models.tensor import Array, Tensor


def textual(answers: Answers, rows: int) -> Answers:
    """Leave out the answers whose bytes are no text, of so many rows that were asked for."""
    faults: dict[int, str] = {}
    for tensor in answers.outputs:
        if tensor.datatype == "BYTES":
            for index in _no_texts(tensor.array):
                faults.setdefault(
                    index,
                    f"output {tensor.name!r} has bytes that are no UTF-8 text: choose output.bytes "
                    "base64",
                )
    if not faults:
        return answers
    failed = {failure.row for failure in answers.failures}
    answered = [row for row in range(rows) if row not in failed]
    kept = np.ones(len(answered), np.bool_)
    kept[list(faults)] = False
    return Answers(
        tuple(Tensor(t.name, t.datatype, t.array[kept]) for t in answers.outputs),
        (*answers.failures, *(Failure(answered[at], why) for at, why in sorted(faults.items()))),
    )


def _no_texts(array: Array) -> Iterator[int]:
    for index, row in enumerate(array.tolist()):
        try:
            decode(row)
        except UnicodeDecodeError:
            yield index


def decode(value: Any) -> None:
    """Decode every element of a row, which may be a list of lists."""
    if isinstance(value, bytes):
        value.decode()
        return
    for each in value:
        decode(each)
