"""Merge, intersect and measure spans of time."""

from collections.abc import Iterable, Sequence

from serval_cli.simulation.requests import Span


def merge(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that touch or overlap, in order."""
    found: list[Span] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def total_length(spans: Iterable[Span]) -> float:
    """Sum the lengths of spans."""
    return sum(until - since for since, until in spans)


def intersect(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the spans that lie in both of two merged, ordered sequences."""
    return merge(
        (max(a, c), min(b, d)) for a, b in some for c, d in others if max(a, c) < min(b, d)
    )


def count_minutes(spans: Iterable[Span], minutes: int) -> int:
    """Count the whole minutes, of the first ``minutes``, that a span touches."""
    touched = {
        minute for since, until in spans for minute in range(int(since // 60), int(-(-until // 60)))
    }
    return sum(minute < minutes for minute in touched)
