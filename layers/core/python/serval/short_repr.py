"""Values in messages: short, however long or deeply nested they are."""

import reprlib

LIMIT_CHARACTERS = 80
WORDS = {"None": "null", "True": "true", "False": "false", "Ellipsis": "..."}
"""What callers, who write JSON, know by another word."""


class ShortRepr(reprlib.Repr):
    """Writes values as Python does, but JSON's words."""

    def repr_instance(self, x: object, level: int) -> str:
        """Write a value that is neither text, an integer nor a collection."""
        written = super().repr_instance(x, level)
        return WORDS.get(written, written)


_short = ShortRepr()
_short.maxstring = _short.maxother = _short.maxlong = LIMIT_CHARACTERS


def short_repr(value: object) -> str:
    """Write a value with single quotes, and with JSON's words, cut to 80 characters."""
    return f"{_short.repr(value):.{LIMIT_CHARACTERS}}"
