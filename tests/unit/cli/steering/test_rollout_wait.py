"""serval_cli/steering/rollout_wait.py: wait until a rollout has ended."""

import sys
from dataclasses import dataclass, field
from io import StringIO

import pytest

from serval.models.registry import Rollout
from serval.models.rollout_words import RolloutStatus
from serval_cli.steering.rollout_wait import (
    BEGIN_SECONDS,
    SILENCE_SECONDS,
    UNATTENDED_SECONDS,
    RolloutWait,
    timeout_or_default,
)


def rollout(status: RolloutStatus, updated: str = "t") -> Rollout:
    return Rollout(model="tiny", rollout="u1", status=status, created="t", updated=updated)


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 0
    told: list[Rollout] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, *seen: Rollout | None, timeout_seconds: float | None = None) -> Rollout | None:
        states = iter(seen)
        last = [None]

        def read() -> Rollout | None:
            last[0] = next(states, last[0])  # type: ignore[assignment]
            return last[0]

        return RolloutWait(
            read, self.told.append, timeout_seconds, lambda: self.now, self.sleep
        ).end()


def test_a_rollout_that_has_ended_is_given_and_told_at_once() -> None:
    time = Time()
    assert time.wait(rollout("refused")) == rollout("refused")
    assert (time.now, time.told) == (0, [rollout("refused")])


def test_it_waits_for_the_rollout_to_begin_and_to_end_and_tells_each_change_once() -> None:
    time = Time()
    running = rollout("running")
    seen = (None, running, running, rollout("running", "u"), rollout("promoted"))
    assert time.wait(*seen) == rollout("promoted")
    assert time.told == [running, rollout("running", "u"), rollout("promoted")]


def test_time_runs_out_exactly_and_leaves_how_things_stand() -> None:
    time = Time()
    assert time.wait(rollout("running"), timeout_seconds=1.2) == rollout("running")
    assert time.now == 1.2
    assert Time().wait(None, timeout_seconds=0) is None


def test_a_rollout_that_never_begins_is_given_up() -> None:
    time = Time()
    assert time.wait(None) is None
    assert time.now == BEGIN_SECONDS


def test_there_is_no_limit_while_the_rollout_moves() -> None:
    time = Time()
    hour = round(3600 / 0.5)
    looks = [rollout("running", str(look)) for look in range(6) for _ in range(hour)]
    assert time.wait(*looks, rollout("promoted")) == rollout("promoted")


def test_a_rollout_that_says_nothing_any_more_is_given_up() -> None:
    time = Time()
    assert time.wait(None, rollout("running")) == rollout("running")
    assert time.now == SILENCE_SECONDS + 0.5


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_nobody_waits_for_longer_than_an_hour_unless_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", StringIO())
    assert (timeout_or_default(None), timeout_or_default(9.0)) == (UNATTENDED_SECONDS, 9.0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert (timeout_or_default(None), timeout_or_default(9.0)) == (None, 9.0)
