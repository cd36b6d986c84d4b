"""What stands behind the ``?`` of a URL."""

from serval.errors import InvalidParameter
from serval.http.dispatch import Event

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
