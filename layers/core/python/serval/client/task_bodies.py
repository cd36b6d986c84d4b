"""Bodies of calls to a model with a task: texts, images, sound, rows."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    """Turn rows into columns.

    Raises
    ------
    ValueError
        If there is no row, or the rows have different columns.
    """
    if isinstance(rows, Mapping):
        return {name: list(column) for name, column in rows.items()}
    if not rows or any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError("rows: one or more expected, all with the same columns")
    return {name: [row[name] for row in rows] for name in rows[0]}
