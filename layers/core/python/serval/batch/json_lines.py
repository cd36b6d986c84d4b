"""Whether a file of JSON that is no array of records is one value a line."""

import orjson

from serval.errors import BatchRefused
from serval.foreign import refusing

WAY_OUT = "JSONL has a record a line, as `jq -c . FILE` writes it; an array of records is read too"


def check_lines(text: bytes, *, whole: bool) -> None:
    """Refuse a file whose records go over several lines.

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
    first, newline, _ = begun.partition(b"\n")
    if first[:1] not in (b"[", b"{") or not newline or _parsed(first) is not None:
        return
    if _is_one(begun, first, whole=whole):
        raise BatchRefused(f"it is one JSON value over several lines: {WAY_OUT}")


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
