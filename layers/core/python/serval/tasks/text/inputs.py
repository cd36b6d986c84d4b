"""Inputs of tasks about text, checked."""

from collections.abc import Mapping
from typing import Any

from serval.errors import InvalidInputs
from serval.short_repr import short_repr

COMPARED = "an object with 'source_sentence' and 'sentences'"
QUESTION = "an object with 'question' and 'context'"
"""What the members of an input are."""


def check_text(index: int, value: Any) -> str:
    """Return an input that is one text.

    Raises
    ------
    InvalidInputs
        If it is something else.
    """
    if not isinstance(value, str):
        raise InvalidInputs(f"input {index}: {short_repr(value)} given, a text expected")
    return value


def check_member(index: int, value: Any, name: str, members: str) -> str:
    """Return a text that is a member of an input.

    ``members`` are the names of all, for the message.

    Raises
    ------
    InvalidInputs
        If the input is no object, or the text is missing or empty.
    """
    if not isinstance(value, Mapping):
        raise InvalidInputs(f"input {index}: {short_repr(value)} given, {members} expected")
    text = value.get(name)
    if text is None:
        raise InvalidInputs(f"input {index}: no {name!r}, {members} expected")
    if not isinstance(text, str):
        raise InvalidInputs(f"input {index}: {name}: {short_repr(text)} given, a text expected")
    if not text.strip():
        raise InvalidInputs(f"input {index}: {name}: the text is empty")
    return text
