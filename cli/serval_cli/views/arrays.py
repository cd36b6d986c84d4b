"""Render tensors, one row per line, cut where they are long."""

import json
from collections.abc import Sequence
from math import prod
from typing import Any

ROWS = 10
ELEMENTS = 12


def preview(shape: Sequence[int], data: Sequence[Any] | None) -> str:
    """Render a tensor's flat data by its rows."""
    if data is None:
        return "(binary)"
    if len(shape) < 2:
        return render_row(data)
    width = prod(shape[1:])
    shown = [
        render_row(data[start : start + width]) for start in range(0, len(data), width or 1)[:ROWS]
    ]
    left = shape[0] - len(shown)
    return "\n".join([*shown, *([f"… {left} more rows"] if left > 0 else [])])


def render_row(elements: Sequence[Any]) -> str:
    """Render one row."""
    text = ", ".join(json.dumps(element) for element in elements[:ELEMENTS])
    left = len(elements) - ELEMENTS
    return f"[{text}, … {left} more]" if left > 0 else f"[{text}]"


def is_text(datatype: str, data: Sequence[Any] | None) -> bool:
    """Return whether a tensor may hold text: strings, or bytes of UTF-8."""
    return data is not None and datatype in ("BYTES", "UINT8")


def read_texts(shape: Sequence[int], datatype: str, data: Sequence[Any]) -> list[str]:
    """Read the texts of a tensor, row by row if it holds bytes."""
    if datatype == "BYTES":
        return [str(each) for each in data]
    width = prod(shape[1:]) or 1
    rows = [bytes(data[start : start + width]) for start in range(0, len(data), width)]
    return [row.rstrip(b"\0").decode(errors="replace") for row in rows]
