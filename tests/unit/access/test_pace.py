"""RealtimePace: how fast one API key may call models on Lambda."""

from dataclasses import replace

import pytest

from serval.access.api_key import ApiKey
from serval.access.pace import RealtimePace
from serval.errors import RateLimited
from tests.fakes.inference import Clock

SLOW = ApiKey("slow", "a key", ("*",), "2026", realtime_per_minute=60)


def answered(
    pace: RealtimePace, clock: Clock, key: ApiKey, seconds: float, at_once: int = 20
) -> int:
    """Count what is answered of a flood."""
    count = 0
    for _ in range(int(seconds)):
        for _ in range(at_once):
            try:
                pace.take(key)
            except RateLimited:
                continue
            count += 1
        clock.seconds += 1
    return count


def test_a_key_that_floods_is_answered_at_its_rate() -> None:
    clock = Clock()
    assert answered(RealtimePace(clock), clock, SLOW, 600) == 10 + 600 - 1


def test_a_key_that_was_quiet_may_send_some_at_once() -> None:
    clock = Clock()
    pace = RealtimePace(clock)
    answered(pace, clock, SLOW, 60)
    clock.seconds += 3600
    assert answered(pace, clock, SLOW, 1) == 10


def test_other_keys_go_on() -> None:
    clock = Clock()
    pace = RealtimePace(clock)
    answered(pace, clock, SLOW, 5)
    pace.take(SLOW)
    with pytest.raises(RateLimited):
        pace.take(SLOW)
    pace.take(replace(SLOW, id="other"))


def test_who_is_too_fast_is_told_when_to_come_again() -> None:
    clock = Clock()
    pace = RealtimePace(clock)
    hourly = replace(SLOW, realtime_per_minute=1)
    pace.take(hourly)
    clock.seconds += 20
    with pytest.raises(RateLimited, match="may send 1 requests a minute and has") as refused:
        pace.take(hourly)
    clock.seconds += refused.value.retry_seconds
    assert refused.value.retry_seconds == 40
    pace.take(hourly)
