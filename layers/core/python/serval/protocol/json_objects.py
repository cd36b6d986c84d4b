"""JSON as simdjson reads it: lazily, and no object with a member that is there twice."""

from itertools import islice
from typing import Any

import simdjson

from serval.errors import MalformedBody
from serval.protocol.content import repeated_member

Fields = dict[str, Any]
"""Members of a JSON object; lists and objects inside are simdjson's lazy ones."""
MAX_MEMBERS = 1024
"""Of an object whose members have a meaning."""
GLIMPSED, GLIMPSED_DEPTH = 7, 3
"""How much of a list or an object a message may need: it is cut after 80 characters."""


def json_object(text: str | bytes, expectation: str) -> simdjson.Object:
    """Parse an object; what is inside stays lazy.

    Raises
    ------
    MalformedBody
        If it is no JSON, or something else than an object.
    """
    try:
        document = simdjson.Parser().parse(text)
    except (ValueError, RuntimeError) as error:
        raise MalformedBody(f"the body is not valid JSON: {json_problem(error)}") from None
    if not isinstance(document, simdjson.Object):
        raise MalformedBody(f"the body is JSON, but not an object with {expectation}")
    return document


def picked(item: Any, names: frozenset[str]) -> Fields:
    """Give the members of an object that are known.

    Each look-up walks the object, however many members it has, and one that is missing costs an
    exception: so the names are gone through once, and only known ones are looked up.

    Raises
    ------
    MalformedBody
        If it has more members than any object of ours, or one of them twice.
    """
    given = distinct_names(item)
    return {name: item[name] for name in names & given}


def distinct_names(item: Any) -> set[str]:
    """Give the names of an object's members, or raise ``MalformedBody`` as ``picked`` does."""
    count = len(item)
    if count > MAX_MEMBERS:
        raise MalformedBody(f"an object has {count} members, at most {MAX_MEMBERS} allowed")
    given = set(item)
    if len(given) != count:
        raise repeated_member(item)
    return given


def json_problem(error: Exception) -> str:
    """Say simdjson's complaint in a sentence; it begins with a code in capitals."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    code, _, sentence = str(error).partition(": ")
    if code == "BIGINT_ERROR":
        return "an integer does not fit 64 bits"
    return sentence.partition(".")[0] or code


def glimpse(value: Any, depth: int = GLIMPSED_DEPTH) -> Any:
    """Give the Python value of a lazy one, as far as a message shows it."""
    if isinstance(value, simdjson.Array):
        return [glimpse(one, depth - 1) for one in islice(value, GLIMPSED)] if depth else [...]
    if isinstance(value, simdjson.Object):
        members = islice(value.items(), GLIMPSED) if depth else ()
        return {name: glimpse(one, depth - 1) for name, one in members}
    return value
