"""RealtimeLimit: how fast one API key may call models on Lambda."""

import pytest

from serval.access.admission import RealtimeLimit
from serval.access.api_key import ApiKey, Caller
from serval.errors import RateLimited
from tests.fakes.inference import Clock


def caller(key_id: str, per_minute: int) -> Caller:
    return Caller(ApiKey(key_id, "a key", ("*",), "2026", realtime_per_minute=per_minute))


SLOW = caller("slow", 60)


def answered(
    limit: RealtimeLimit, clock: Clock, key: Caller, seconds: float, at_once: int = 20
) -> int:
    """Count what is answered of a flood."""
    count = 0
    for _ in range(int(seconds)):
        for _ in range(at_once):
            try:
                limit.take(key)
            except RateLimited:
                continue
            count += 1
        clock.seconds += 1
    return count


def test_a_key_that_floods_is_answered_at_its_rate() -> None:
    clock = Clock()
    assert answered(RealtimeLimit(clock), clock, SLOW, 600) == 10 + 600 - 1


def test_a_key_that_was_quiet_may_send_some_at_once() -> None:
    clock = Clock()
    limit = RealtimeLimit(clock)
    answered(limit, clock, SLOW, 60)
    clock.seconds += 3600
    assert answered(limit, clock, SLOW, 1) == 10


def test_other_keys_go_on() -> None:
    clock = Clock()
    limit = RealtimeLimit(clock)
    answered(limit, clock, SLOW, 5)
    limit.take(SLOW)
    with pytest.raises(RateLimited):
        limit.take(SLOW)
    limit.take(caller("other", 60))


def test_who_is_too_fast_is_told_when_to_come_again() -> None:
    clock = Clock()
    limit = RealtimeLimit(clock)
    hourly = caller("slow", 1)
    limit.take(hourly)
    clock.seconds += 20
    with pytest.raises(RateLimited, match="may send 1 requests a minute and has") as refused:
        limit.take(hourly)
    clock.seconds += refused.value.retry_seconds
    assert refused.value.retry_seconds == 40
    limit.take(hourly)
