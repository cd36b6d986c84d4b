"""Runs over tokenised text: a few rows at a time, and without the padding again."""

from collections.abc import Iterator, Sequence

import numpy as np
import tokenizers

from serval.models.tensor import Array
from serval.tasks.graph import TaskGraph
from serval.tasks.text.tokenizer import TextTokenizer

ROWS = 32
"""How many encodings share a run: a long text has many windows."""


def run_rows(
    graph: TaskGraph,
    tokenizer: TextTokenizer,
    encodings: Sequence[tokenizers.Encoding],
    outputs: Sequence[str],
    rows: int = ROWS,
) -> Iterator[tuple[Array, ...]]:
    """Run encodings and yield, for each, its row of every output named, [tokens, …].

    Encodings of a run are padded to the longest; the padding's rows of an output are left out. An
    output without an axis of tokens is yielded as it is.
    """
    for begin in range(0, len(encodings), rows):
        some = encodings[begin : begin + rows]
        arrays = graph.run(tokenizer.pad(some), outputs)
        longest = max(len(encoding) for encoding in some)
        for row, encoding in enumerate(some):
            first = longest - len(encoding) if tokenizer.pad_left else 0
            kept = slice(first, first + len(encoding))
            yield tuple(
                _float32(
                    array[row, kept] if array.ndim > 1 and array.shape[1] == longest else array[row]
                )
                for array in (arrays[name] for name in outputs)
            )


def output_name(graph: TaskGraph, *names: str, position: int = 0) -> str:
    """Return the first of these outputs that the graph has, else the one at a position."""
    for name in names:
        if name in graph.outputs:
            return name
    return list(graph.outputs)[min(position, len(graph.outputs) - 1)]


def _float32(array: Array) -> Array:
    return array.astype(np.float32, copy=False)
