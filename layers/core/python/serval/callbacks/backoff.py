"""When a callback is tried again: after 5 s, twice as long each time, at most an hour; for 12 h."""

FIRST_SECONDS = 5
LONGEST_SECONDS = 3_600
ATTEMPTS = 21
"""The last one is some 11.5 hours after the first; it is the queue's ``maxReceiveCount`` too."""


def pause_seconds(attempt: int) -> int:
    """Give how long after an attempt (1, 2, …) the next one is due."""
    return int(min(FIRST_SECONDS * 2 ** (attempt - 1), LONGEST_SECONDS))
