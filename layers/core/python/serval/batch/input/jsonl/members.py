"""Members of JSON objects that are there twice, of which each parser takes another."""

import json
from collections import Counter
from collections.abc import Sequence

ESCAPED = b"\\u"
"""With which a name can be written so that it is not found as it is."""


class Members(list[tuple[str, object]]):
    """The members of an object, in order, however often each is there."""


def once_in(text: bytes, name: str, objects: int = 1) -> bool:
    """Tell at a glance that no object of a text has a member twice, if each has it."""
    return text.count(json.dumps(name, ensure_ascii=False).encode()) == objects and (
        ESCAPED not in text
    )


def repeated_member(text: bytes, names: Sequence[str]) -> str | None:
    """Give the first of these members that an object has twice; None: it has none so."""
    quoted = (json.dumps(name, ensure_ascii=False).encode() for name in names)
    if ESCAPED not in text and all(text.count(name) < 2 for name in quoted):
        return None
    value = json.loads(text, object_pairs_hook=Members)
    if not isinstance(value, Members):
        return None
    times = Counter(name for name, _ in value)
    return next((name for name in names if times[name] > 1), None)
