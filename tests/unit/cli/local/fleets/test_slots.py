"""Slots of a fleet's workers: started, asked to stop, killed, and started again."""

from dataclasses import dataclass, field

from serval_cli.local.fleets.slots import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    STEADY_SECONDS,
    Slots,
)

STOP_SECONDS = 20.0


@dataclass
class Worker:
    """A worker's process in memory; it ends when the test says so."""

    pid: int
    status: int | None = None
    signals: list[str] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.signals.append("TERM")

    def kill(self) -> None:
        self.signals.append("KILL")


class Started:
    """The workers that were started, and the slots they were started in."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.numbers: list[int] = []
        self.slots = Slots(self.start, STOP_SECONDS)

    def start(self, number: int) -> Worker:
        self.numbers.append(number)
        self.workers.append(Worker(len(self.workers) + 100))
        return self.workers[-1]

    def states(self) -> list[tuple[int, str]]:
        return [(number, slot.state) for number, slot in sorted(self.slots.slots.items())]


def test_as_many_workers_run_as_are_wanted() -> None:
    started = Started()
    started.slots.step(2, now=0.0)
    started.slots.step(2, now=1.0)
    assert started.numbers == [1, 2]
    started.slots.step(3, now=2.0)
    assert started.numbers == [1, 2, 3]


def test_the_last_one_is_asked_to_stop_and_its_place_is_free_once_it_has_ended() -> None:
    started = Started()
    started.slots.step(2, now=0.0)
    first, second = started.workers
    started.slots.step(1, now=1.0)
    started.slots.step(1, now=2.0)
    assert (first.signals, second.signals) == ([], ["TERM"])
    assert started.states() == [(1, "running"), (2, "stopping")]
    second.status = 0
    started.slots.step(1, now=3.0)
    assert started.states() == [(1, "running")]
    started.slots.step(2, now=4.0)
    assert started.numbers == [1, 2, 2]


def test_one_that_is_needed_again_while_another_stops_gets_a_place_of_its_own() -> None:
    started = Started()
    started.slots.step(1, now=0.0)
    started.slots.step(0, now=1.0)
    started.slots.step(1, now=2.0)
    assert started.states() == [(1, "stopping"), (2, "running")]


def test_only_one_that_overruns_its_stop_time_is_killed_and_that_once() -> None:
    started = Started()
    started.slots.step(1, now=0.0)
    started.slots.step(0, now=1.0)
    started.slots.step(0, now=1.0 + STOP_SECONDS)
    assert started.workers[0].signals == ["TERM"]
    for now in (2.0, 3.0):
        started.slots.step(0, now=now + STOP_SECONDS)
    assert started.workers[0].signals == ["TERM", "KILL"]


def test_what_crashes_is_started_again_after_pauses_that_grow() -> None:
    started, now, pauses = Started(), 0.0, []
    for _ in range(7):
        started.slots.step(1, now)
        started.workers[-1].status = -9
        begun, count = now, len(started.workers)
        started.slots.step(1, now)
        assert started.states() == [(1, "crashed")]
        while len(started.workers) == count:
            now += 0.25
            started.slots.step(1, now)
        pauses.append(now - begun)
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_the_crash_of_one_that_ran_steadily_is_its_first() -> None:
    started, now = Started(), 0.0
    for _ in range(4):
        started.slots.step(1, now)
        started.workers[-1].status = 1
        now += STEADY_SECONDS
        started.slots.step(1, now)
        assert started.states() == [(1, "crashed")]
        assert started.slots.slots[1].crashes == 1
        now += FIRST_PAUSE_SECONDS


def test_what_stops_by_itself_in_order_is_started_again_at_once_as_after_a_reclaim() -> None:
    started = Started()
    for now in range(20):
        started.slots.step(1, now=float(now))
        started.workers[-1].status = 0
    assert len(started.workers) == 20
    assert [slot.crashes for slot in started.slots.slots.values()] == [0]


def test_one_that_pauses_is_the_first_to_go_without_a_signal() -> None:
    started = Started()
    started.slots.step(1, now=0.0)
    started.workers[0].status = 1
    started.slots.step(1, now=1.0)
    started.slots.step(0, now=1.1)
    started.slots.step(0, now=60.0)
    assert started.states() == []
    assert started.workers[0].signals == []
