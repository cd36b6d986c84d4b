"""Parameters of a call: its query, and what its ``Prefer`` header asks for.

Specification: RFC 7240. Preferences that are unknown or malformed are ignored, as it demands.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from serval.clock import timestamp
from serval.errors import InvalidParameter
from serval.http.call import HttpCall

Choice = TypeVar("Choice", bound=str)
TRUTHS = {"true": True, "1": True, "": True, "false": False, "0": False}
LONGEST_WAIT_SECONDS = 20


def read_flag(call: HttpCall, name: str) -> bool:
    """Read a parameter that is true or false; false without it."""
    given = call.query.get(name)
    if given is None:
        return False
    if given.lower() not in TRUTHS:
        raise InvalidParameter(name, given, "true or false")
    return TRUTHS[given.lower()]


def read_count(call: HttpCall, name: str, most: int, default: int) -> int:
    """Read a parameter that is a number from 1 to ``most``."""
    given = call.query.get(name)
    if given is None:
        return default
    digits = given.isascii() and given.isdigit() and len(given) < 10
    if not (digits and 1 <= int(given) <= most):
        raise InvalidParameter(name, given, f"1 to {most}")
    return int(given)


def read_choice(call: HttpCall, name: str, choices: Sequence[Choice]) -> Choice | None:
    """Read a parameter that is one of some words; None without it."""
    given = call.query.get(name)
    if given is None:
        return None
    for one in choices:
        if one == given:
            return one
    raise InvalidParameter(name, given, f"one of {', '.join(choices)}")


def read_time(call: HttpCall, name: str) -> str | None:
    """Read a time and write it as rows hold times; one without a zone is in UTC."""
    given = call.query.get(name)
    if given is None:
        return None
    try:
        # In a query '+' stands for a space.
        found = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
        return timestamp(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidParameter(name, given, "a time as 2026-11-21T10:15:00Z") from None


def wait_seconds(call: HttpCall) -> int:
    """Return how long the caller would wait for a result, at most 20 s; 0: not at all."""
    for preference in call.headers.get("prefer", "").lower().split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        value = value.strip().strip('"')
        if name.strip() == "wait" and value.isascii() and value.isdigit() and len(value) < 10:
            return min(int(value), LONGEST_WAIT_SECONDS)
    return 0
