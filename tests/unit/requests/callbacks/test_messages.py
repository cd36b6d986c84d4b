"""When a callback is tried again."""

from itertools import pairwise

from serval.requests.callbacks.messages import ATTEMPTS, LONGEST_SECONDS, pause_seconds


def test_pauses_double_up_to_an_hour() -> None:
    pauses = [pause_seconds(attempt) for attempt in range(1, ATTEMPTS)]
    assert pauses[:3] == [5, 10, 20]
    assert all(later in (2 * pause, LONGEST_SECONDS) for pause, later in pairwise(pauses))
    assert pauses[-1] == LONGEST_SECONDS


def test_all_attempts_together_last_about_twelve_hours() -> None:
    seconds = sum(pause_seconds(attempt) for attempt in range(1, ATTEMPTS))
    assert 11 * 3600 < seconds <= 12 * 3600
