"""Rows of numbers as CSV (RFC 4180), and arrays as numpy's files."""

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from serval.errors import InvalidInputs, MalformedBody
from serval.foreign import refusing
from serval.models.tensor import Array, Tensor
from serval.protocol.lazy_json import parse_lazily
from serval.protocol.predictions import NUMPY, nested_value

NPY_HEAD = re.compile(
    rb"\x93NUMPY(?:\x01\0..|\x02\0....)"
    rb"\{'descr': '(?P<type>[<>|](?:b1|[iu][1248]|f[248]))', "
    rb"'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,18}, ?){0,32}(?:\d{1,18})?)\),? ?\} *\n",
    re.DOTALL,
)
ENDED = 7e22
"""Ends a line of numbers: few send it, and a single multiplication parses it."""
LINE_END = b",7e22,"


def read_csv(text: bytes, *, numeric: bool, skipped: int = 0) -> Array | list[list[str]]:
    """Read lines of CSV as texts; FP64 [rows, columns] if ``numeric`` and every field is a number.

    ``skipped`` is how many lines the body has before these.

    Raises
    ------
    MalformedBody
        If it is not CSV in UTF-8, or has no line.
    InvalidInputs
        If a line has more or fewer fields than the first.
    """
    body = text.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    numbers = _read_numbers(body) if numeric else None
    if numbers is not None:
        return numbers
    lines: list[list[str]] = []
    with refusing(lambda said: MalformedBody(f"the CSV is damaged: {said}")):
        read = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        for line in filter(None, read):
            lines.append(line)
            if len(line) != len(lines[0]):
                raise InvalidInputs(
                    f"line {skipped + read.line_num} of the CSV: {len(line)} fields given, "
                    f"{len(lines[0])} expected"
                )
    if not lines:
        raise MalformedBody("the CSV has no line")
    return lines


def _read_numbers(body: bytes) -> Array | None:
    """Read CSV of nothing but JSON's numbers by the parser of JSON, which is much faster.

    The end of each line is a number, too: it has to stand after every so many others, and nowhere
    else.
    """
    columns = body.partition(b"\n")[0].count(b",") + 1
    joined = body.replace(b"\n", LINE_END)
    lines = (len(joined) - len(body)) // (len(LINE_END) - 1) + 1
    try:
        document = parse_lazily(b"[%b,7e22]" % joined)
        numbers = np.frombuffer(document.as_buffer(of_type="d")).reshape(lines, columns + 1)
    except (ValueError, RuntimeError, TypeError):
        return None
    ends = numbers == ENDED
    if b"[" in body or not np.count_nonzero(ends[:, -1]) == np.count_nonzero(ends) == lines:
        return None
    return numbers[:, :-1]


def write_csv(outputs: Sequence[Tensor]) -> bytes:
    """Write a line for each row, with the elements of all outputs one after another.

    Raises
    ------
    InvalidInputs
        If the outputs have different numbers of rows.
    """
    cells = [_write_cells(tensor) for tensor in outputs]
    if len({len(rows) for rows in cells}) > 1:
        raise InvalidInputs("the outputs have different numbers of rows: accept application/json")
    return b"".join(b",".join(row) + b"\n" for row in zip(*cells, strict=True))


def _write_cells(tensor: Tensor) -> list[bytes]:
    """Write what an output adds to each line."""
    shape = tensor.array.shape or (1,)
    array = tensor.array.reshape(shape[0], math.prod(shape[1:]))
    value = nested_value(Tensor(tensor.name, tensor.datatype, array))
    if isinstance(value, np.ndarray):
        return orjson.dumps(value, option=NUMPY)[2:-2].split(b"],[") if len(value) else []
    return list(map(_write_line, value))


def _write_line(cells: Sequence[Any]) -> bytes:
    """Write a row's cells; those with a comma, a quote or the end of a line are quoted."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()[: -len("\r\n")]


def read_npy(body: bytes) -> Array:
    """Read an array of numbers that ``numpy.save`` wrote (NEP 1, versions 1 and 2).

    Raises
    ------
    MalformedBody
        If it is none, or is longer or shorter than its shape says.
    """
    found = NPY_HEAD.match(body)  # numpy evaluates the head as Python, in seven times the time
    if found is None:
        raise MalformedBody("the body is no array of numbers that numpy.save wrote")
    dtype = np.dtype(found["type"].decode())
    shape = [int(extent) for extent in found["shape"].decode().split(",") if extent.strip()]
    size, given = math.prod(shape) * dtype.itemsize, len(body) - found.end()
    if given != size:
        raise MalformedBody(
            f"the body is an array of shape {shape} and {size} bytes, and {given} are there"
        )
    array: Array = np.frombuffer(body, dtype, offset=found.end())
    return array.reshape(shape, order="F" if found["order"] == b"True" else "C")


def write_npy(tensor: Tensor) -> bytes:
    """Write a tensor of numbers as ``numpy.save`` does."""
    file = io.BytesIO()
    np.save(file, tensor.array, allow_pickle=False)
    return file.getvalue()
