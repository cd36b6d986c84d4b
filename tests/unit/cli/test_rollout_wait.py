"""serval_cli/rollout_wait.py: wait until a rollout has ended."""

from dataclasses import dataclass, field

from serval.registry import Rollout, RolloutStatus
from serval_cli.rollout_wait import RolloutWait


def rollout(status: RolloutStatus) -> Rollout:
    return Rollout(model="tiny", rollout="u1", status=status, created="t", updated="t")


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 0
    told: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, *seen: Rollout | None, timeout_seconds: float = 60) -> Rollout | None:
        states = iter(seen)
        last = [None]

        def read() -> Rollout | None:
            last[0] = next(states, last[0])  # type: ignore[assignment]
            return last[0]

        return RolloutWait(
            read, timeout_seconds, self.told.append, lambda: self.now, self.sleep
        ).end()


def test_a_rollout_that_has_ended_is_given_at_once() -> None:
    time = Time()
    assert time.wait(rollout("refused")) == rollout("refused")
    assert time.now == 0


def test_it_waits_for_the_rollout_to_begin_and_to_end() -> None:
    time = Time()
    seen = (None, rollout("running"), rollout("running"), rollout("promoted"))
    assert time.wait(*seen) == rollout("promoted")
    assert [told.split(" (")[0] for told in time.told] == [
        "waiting for the rollout to begin",
        "rollout is running",
        "rollout is running",
    ]


def test_time_runs_out_exactly_and_leaves_how_things_stand() -> None:
    time = Time()
    assert time.wait(rollout("running"), timeout_seconds=1.2) == rollout("running")
    assert time.now == 1.2
    assert Time().wait(None, timeout_seconds=0) is None
