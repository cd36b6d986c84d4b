"""Bodies of calls to a model with a task: texts, images, sound, rows."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serval.client.wire import spell
from serval.models.task_signature import NAMES, PARAMETERS, TAKES

BINARY, JSON = "application/octet-stream", "application/json"
CONTENT_TYPES: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
}
"""Ending of a file's name → how its bytes are sent; others are ``BINARY``."""
Rows = Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]
"""Rows by column, or columns by name."""


def file_type(path: Path) -> str:
    """Return the content type of a file, by its name."""
    return CONTENT_TYPES.get(path.suffix.lower(), BINARY)


def call_body(
    inputs: Any, rows: Rows | None, parameters: Mapping[str, Any] | None
) -> tuple[bytes, str]:
    """Build the body of a call, and its content type.

    A file's bytes, or its path, go as they are; in base64 beside parameters or in a list.

    Raises
    ------
    ValueError
        If not exactly one of inputs and rows is given.
    """
    if (inputs is None) == (rows is None):
        raise ValueError("one of inputs and rows expected")
    if not parameters and isinstance(inputs, bytes | bytearray | Path):
        return read_file(inputs), file_type(inputs) if isinstance(inputs, Path) else BINARY
    own: dict[str, Any] = {"parameters": dict(parameters)} if parameters else {}
    body = {"inputs": readable(inputs)} if rows is None else {"table": columns_of(rows)}
    return json.dumps(body | own).encode(), JSON


def call_request(
    task: str, inputs: Any, rows: Rows | None, parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Build the V2 inference request of a call, which is what async requests take.

    Raises
    ------
    ValueError
        If not exactly one of inputs and rows is given, or a task of files is given none.
    """
    if (inputs is None) == (rows is None):
        raise ValueError("one of inputs and rows expected")
    takes = TAKES.get(task, "text")
    values: Sequence[Any] = records_of(rows) if rows is not None else as_list(inputs)
    elements: list[Any]
    if takes in ("image", "audio"):
        if not all(isinstance(one, bytes | bytearray | Path) for one in values):
            raise ValueError(f"{task} takes the bytes of a file, or its Path")
        elements = [read_file(one) for one in values]
    elif takes == "text" and all(isinstance(one, str) for one in values):
        elements = list(values)
    else:
        takes, elements = "arguments", [json.dumps(one) for one in values]
    tensors = [text_tensor(NAMES[takes], elements)]
    if parameters:
        tensors.append(text_tensor(PARAMETERS, [json.dumps(dict(parameters))]))
    return {"inputs": tensors}


def text_tensor(name: str, elements: list[Any]) -> dict[str, Any]:
    """Build a tensor of texts, or of bytes."""
    return {"name": name, "datatype": "BYTES", "shape": [len(elements)], "data": elements}


def as_list(inputs: Any) -> Sequence[Any]:
    """Return inputs as a list; one that is none is the only one."""
    return inputs if isinstance(inputs, list | tuple) else [inputs]


def records_of(rows: Rows) -> list[dict[str, Any]]:
    """Turn columns, or rows of any mapping, into rows."""
    columns = columns_of(rows)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def read_file(given: bytes | bytearray | Path) -> bytes:
    """Return bytes, of a file if a path is given."""
    return given.read_bytes() if isinstance(given, Path) else bytes(given)


def readable(inputs: Any) -> Any:
    """Replace files within inputs by base64, which JSON can carry."""
    if isinstance(inputs, bytes | bytearray | Path):
        return base64.b64encode(read_file(inputs)).decode()
    if isinstance(inputs, list | tuple):
        return [readable(one) for one in inputs]
    return inputs


def columns_of(rows: Rows) -> dict[str, list[Any]]:
    """Turn rows into columns; NaN, which is how tables have a missing cell, becomes None.

    Raises
    ------
    ValueError
        If there is no row, or the rows have different columns.
    """
    if isinstance(rows, Mapping):
        return {name: [cell_of(one) for one in column] for name, column in rows.items()}
    if not rows or any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError("rows: one or more expected, all with the same columns")
    return {name: [cell_of(row[name]) for row in rows] for name in rows[0]}


def cell_of(value: Any) -> Any:
    """Return a cell as JSON can have it; a number of numpy, as frames have them, is Python's."""
    cell = value.item() if hasattr(value, "item") else value
    return None if isinstance(cell, float) and math.isnan(cell) else spell(cell)
