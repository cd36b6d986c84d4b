"""Runs over tokenised text: a few rows at a time, and without the padding again."""

from collections.abc import Iterator, Sequence

import numpy as np
import tokenizers

from serval.models.tensor import Array
from serval.tasks.graph import TaskGraph
from serval.tasks.text.tokenizer import INPUT_IDS, TextTokenizer

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

    Encodings of a run are padded to the longest; the padding's rows are left out.
    """
    for some, arrays, longest in _runs(graph, tokenizer, encodings, outputs, rows):
        for row, encoding in enumerate(some):
            first = longest - len(encoding) if tokenizer.pad_left else 0
            kept = slice(first, first + len(encoding))
            yield tuple(_float32(arrays[name][row, kept]) for name in outputs)


def run_texts(
    graph: TaskGraph,
    tokenizer: TextTokenizer,
    encodings: Sequence[tokenizers.Encoding],
    output: str,
) -> Array:
    """Run encodings and return an output that has a row for each, FP32 [encodings, …]."""
    runs = _runs(graph, tokenizer, encodings, [output], ROWS)
    return _float32(np.concatenate([arrays[output][: len(some)] for some, arrays, _ in runs]))


def _runs(
    graph: TaskGraph,
    tokenizer: TextTokenizer,
    encodings: Sequence[tokenizers.Encoding],
    outputs: Sequence[str],
    rows: int,
) -> Iterator[tuple[Sequence[tokenizers.Encoding], dict[str, Array], int]]:
    """Yield the encodings of each run, the outputs, and the length that all were padded to.

    A graph of a fixed number of rows gets the last encoding as often as others are missing.
    """
    fixed = graph.extent(INPUT_IDS, 0)
    rows = fixed or rows
    for begin in range(0, len(encodings), rows):
        some = encodings[begin : begin + rows]
        feed = tokenizer.pad([*some, *[some[-1]] * ((fixed or 0) - len(some))])
        yield some, graph.run(feed, outputs), feed[INPUT_IDS].shape[1]


def output_name(graph: TaskGraph, *names: str, position: int = 0) -> str:
    """Return the first of these outputs that the graph has, else the one at a position."""
    for name in names:
        if name in graph.outputs:
            return name
    return list(graph.outputs)[min(position, len(graph.outputs) - 1)]


def _float32(array: Array) -> Array:
    return array.astype(np.float32, copy=False)
