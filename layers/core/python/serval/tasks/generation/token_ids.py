"""Token ids as configs and requests write them: one, a list, or lists of them."""

from typing import Any

from serval.errors import InvalidParameter

MOST_ID = 2**31
MOST_IDS = 100_000


def token_ids(name: str, value: Any) -> tuple[int, ...]:
    """Read one id or a list of ids; nothing is none of them.

    Raises
    ------
    InvalidParameter
        If it is neither.
    """
    if value is None:
        return ()
    found = value if isinstance(value, list | tuple) else [value]
    if len(found) > MOST_IDS or not all(_is_id(one) for one in found):
        raise InvalidParameter(name, value, "the id of a token, or a list of ids")
    return tuple(found)


def one_id(name: str, value: Any) -> int | None:
    """Read one id, if there is one.

    Raises
    ------
    InvalidParameter
        If it is something else.
    """
    found = token_ids(name, value)
    if len(found) > 1:
        raise InvalidParameter(name, value, "the id of one token")
    return found[0] if found else None


def id_lists(name: str, value: Any) -> tuple[tuple[int, ...], ...]:
    """Read a list of lists of ids.

    Raises
    ------
    InvalidParameter
        If it is something else.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, list) and one for one in value):
        raise InvalidParameter(name, value, "a list of lists of token ids")
    return tuple(token_ids(name, one) for one in value)


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST_ID
