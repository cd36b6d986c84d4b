"""What stands behind the ``?`` of a URL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from serval.clock import timestamp
from serval.errors import InvalidParameter
from serval.http.dispatch import Event

Choice = TypeVar("Choice", bound=str)
TRUTHS = {"true": True, "1": True, "": True, "false": False, "0": False}


def text(event: Event, name: str) -> str | None:
    """Give a parameter; None: it is not there."""
    given: str | None = (event.get("queryStringParameters") or {}).get(name)
    return given


def truth(event: Event, name: str) -> bool:
    """Read a parameter that is true or false; false where it is not there."""
    given = text(event, name)
    if given is None:
        return False
    if given.lower() not in TRUTHS:
        raise InvalidParameter(name, given, "true or false")
    return TRUTHS[given.lower()]


def count(event: Event, name: str, most: int, default: int) -> int:
    """Read a parameter that counts something."""
    given = text(event, name)
    if given is None:
        return default
    digits = given.isascii() and given.isdigit() and len(given) < 10
    if not (digits and 1 <= int(given) <= most):
        raise InvalidParameter(name, given, f"1 to {most}")
    return int(given)


def choice(event: Event, name: str, choices: Sequence[Choice]) -> Choice | None:
    """Read a parameter that is one of some words; None where it is not there."""
    given = text(event, name)
    if given is None:
        return None
    for one in choices:
        if one == given:
            return one
    raise InvalidParameter(name, given, f"one of {', '.join(choices)}")


def moment(event: Event, name: str) -> str | None:
    """Read a time, and give it as rows hold times; one without a zone is in UTC."""
    given = text(event, name)
    if given is None:
        return None
    try:
        # In a query '+' stands for a space.
        found = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
        return timestamp(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidParameter(name, given, "a time as 2026-11-21T10:15:00Z") from None
