"""EventBridge's patterns: what they match, and how complex they are to it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

KNOWN_TO_PASS = 9
"""The complexity of rules that AWS is known to take; it publishes no limit, but has refused 12."""
OTHER = "\0"
"""A byte that no wildcard names."""


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Return whether every field of a pattern matches the event's."""
    return all(
        matches(wanted, event[name])
        if isinstance(wanted, Mapping)
        else any(takes(one, event[name]) for one in wanted)
        for name, wanted in pattern.items()
    )


def takes(matcher: Any, value: Any) -> bool:
    match matcher:
        case {"wildcard": str(wildcard)}:
            return covers(wildcard, value)
        case {"anything-but": {"wildcard": [*wildcards]}}:
            return not any(covers(wildcard, value) for wildcard in wildcards)
        case str() | {"Fn::ImportValue": _}:
            return bool(matcher == value)
    raise AssertionError(f"{matcher} is not known here")


def covers(wildcard: str, value: str) -> bool:
    expression = ".*".join(re.escape(part) for part in wildcard.split("*"))
    return re.fullmatch(expression, value, re.DOTALL) is not None


def complexity(matchers: Sequence[Any]) -> int:
    """Count the beginnings of wildcards that one text can match at once, at worst.

    So does `MachineComplexityEvaluator` of AWS's open `event-ruler`, for which values are quoted.
    """
    wildcards = [f'"{wildcard}"' for matcher in matchers for wildcard in wildcards_of(matcher)]
    alphabet = {OTHER, *"".join(wildcards)} - {"*"}
    start = frozenset((wildcard, 0) for wildcard in wildcards)
    known, open_ = {start}, [start]
    while open_:
        active = open_.pop()
        for byte in alphabet:
            following = after(active, byte)
            if following not in known:
                known.add(following)
                open_.append(following)
    return max(len(active) for active in known - {start})


def wildcards_of(matcher: Any) -> Sequence[str]:
    match matcher:
        case {"wildcard": str(wildcard)}:
            return [wildcard]
        case {"anything-but": {"wildcard": [*wildcards]}}:
            return wildcards
    raise AssertionError(f"{matcher} is not known here")


def after(active: frozenset[tuple[str, int]], byte: str) -> frozenset[tuple[str, int]]:
    """Return how far wildcards match after one more byte."""
    following = set()
    for wildcard, length in active:
        if wildcard[length - 1 : length] == "*":
            following.add((wildcard, length))
        if wildcard[length : length + 1] == byte:
            following.add((wildcard, length + 1))
            if wildcard[length + 1 : length + 2] == "*":
                following.add((wildcard, length + 2))
    return frozenset(following)
