"""Repeated members of JSON objects, of which each parser takes another."""

import json
from collections import Counter
from collections.abc import Sequence

ESCAPED = b"\\u"
"""Escape with which a name can be written in another way."""


class Members(list[tuple[str, object]]):
    """The members of an object in order, with repetitions."""


def has_no_repeats(text: bytes, name: str, objects: int = 1) -> bool:
    """Return whether surely no object repeats a member, by counting its name in the text."""
    return text.count(json.dumps(name, ensure_ascii=False).encode()) == objects and (
        ESCAPED not in text
    )


def find_repeated_member(text: bytes, names: Sequence[str]) -> str | None:
    """Return the first of these members that an object repeats; None if it repeats none."""
    quoted = (json.dumps(name, ensure_ascii=False).encode() for name in names)
    if ESCAPED not in text and all(text.count(name) < 2 for name in quoted):
        return None
    value = json.loads(text, object_pairs_hook=Members)
    if not isinstance(value, Members):
        return None
    times = Counter(name for name, _ in value)
    return next((name for name in names if times[name] > 1), None)
