"""What stands behind the ``?`` of a URL.

Where something that was made is to be found, as its caller writes it.

What a caller prefers: ``Prefer: wait=20``, ``respond-async``.

Specification: RFC 7240. Preferences that are unknown or make no sense are ignored, as it says.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urljoin

from serval.clock import timestamp
from serval.errors import InvalidParameter
from serval.http.dispatch import Event, path_after_stage

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


def location(event: Event, made: str) -> str:
    """Give the URL of a path, as ``async/requests/<id>``, from the event that made what is there.

    The API may lie below a path of its own that an event does not tell, as on a laptop: there the
    URL is relative to the one that was called, and leads to the right place too (RFC 9110, 10.2.2).
    """
    path = path_after_stage(event)
    # From the folder of the path that was called up to the root of the API.
    relative = "../" * (path.count("/") - 1) + made
    host = event["requestContext"].get("domainName", "")
    if host and event["headers"].get("host") == host:
        return urljoin(f"https://{host}{event['rawPath']}", relative)
    return relative


LONGEST_WAIT_SECONDS = 20


def wait_seconds(prefer: str) -> int:
    """Give how long a caller would wait for a result, at most 20 s; 0: not at all."""
    for preference in prefer.lower().split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        value = value.strip().strip('"')
        if name.strip() == "wait" and value.isascii() and value.isdigit() and len(value) < 10:
            return min(int(value), LONGEST_WAIT_SECONDS)
    return 0
