"""Values in messages: short, however long or deeply nested they are."""

import reprlib

LIMIT_CHARACTERS = 80
_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = LIMIT_CHARACTERS


def short_repr(value: object) -> str:
    """Write a value as Python does, cut to 80 characters."""
    return f"{_short.repr(value):.{LIMIT_CHARACTERS}}"
