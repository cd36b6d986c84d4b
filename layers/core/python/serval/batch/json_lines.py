"""Whether a file of JSON is one value a line, and not one value over all of it."""

import orjson

from serval.errors import BatchRefused
from serval.foreign import refusing

WAY_OUT = "JSONL has a record a line, as `jq -c '.[]' FILE` writes the elements of an array"


def check_lines(text: bytes, *, whole: bool) -> None:
    """Refuse a file that is one JSON array of records, or whose records go over several lines.

    Parameters
    ----------
    whole
        Whether the text is all of the file.

    Raises
    ------
    BatchRefused
        With what to do instead.
    """
    begun = text.lstrip()
    first, newline, behind = begun.partition(b"\n")
    if first[:1] not in (b"[", b"{") or not (newline or whole):
        return
    value = _parsed(first)
    if value is None:
        if newline and _is_one(begun, first, whole=whole):
            raise BatchRefused(f"it is one JSON value over several lines: {WAY_OUT}")
        return
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return
    if not behind.strip():
        raise BatchRefused(f"it is one JSON array of {len(value)} records: {WAY_OUT}")


def _is_one(text: bytes, first: bytes, *, whole: bool) -> bool:
    """Tell whether a text whose first line is no JSON is JSON as a whole, or begins like it."""
    if whole:
        return _parsed(text) is not None
    return first.rstrip()[-1:] in (b"[", b"{", b",", b":")


def _parsed(text: bytes) -> object:
    """Give what a text says; None if it is not JSON."""
    try:
        with refusing(ValueError):
            return orjson.loads(text)
    except ValueError:
        return None
