"""The worker slots of one fleet: start, stop, kill and restart workers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

STEADY_SECONDS = 30.0
"""A worker that ran this long before crashing starts a new count of crashes."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0


class Process(Protocol):
    """A worker's process."""

    @property
    def pid(self) -> int:
        """Process id."""

    def poll(self) -> int | None:
        """Return the exit status; None while the process runs."""

    def terminate(self) -> None:
        """Ask the process to stop."""

    def kill(self) -> None:
        """Kill the process."""


@dataclass(slots=True)
class Place:
    """One worker, or the pause before it is started again."""

    number: int
    process: Process | None = None
    started: float = 0.0
    asked: float | None = None
    """Time at which the worker was asked to stop."""
    killed: bool = False
    crashes: int = 0
    """Crashes in a row, each soon after the start."""
    not_before: float = 0.0

    @property
    def state(self) -> str:
        """The state of the slot in a word."""
        if self.asked is not None:
            return "stopping"
        return "running" if self.process else "crashed"


def pause_seconds(crashes: int) -> float:
    """Return the pause after so many crashes in a row; an orderly exit needs none."""
    return min(FIRST_PAUSE_SECONDS * 2 ** (crashes - 1), LONGEST_PAUSE_SECONDS) if crashes else 0.0


@dataclass(slots=True)
class Places:
    """The workers of a fleet; each ``step`` moves them closer to the desired number."""

    start: Callable[[int], Process]
    stop_seconds: float
    places: dict[int, Place] = field(default_factory=dict)

    def step(self, wanted: int, now: float) -> None:
        """Collect workers that ended; start, stop and kill others as necessary."""
        for place in list(self.places.values()):
            self._collect(place, now)
        self._ask_to_stop(wanted, now)
        self._add(wanted)
        for place in self.places.values():
            self._proceed(place, now)

    @property
    def active(self) -> list[Place]:
        """The slots whose workers are to stay, lowest number first."""
        return sorted(
            (place for place in self.places.values() if place.asked is None),
            key=lambda place: place.number,
        )

    def _collect(self, place: Place, now: float) -> None:
        if place.process is None or place.process.poll() is None:
            return
        if place.asked is not None:
            del self.places[place.number]
            return
        steady = now - place.started >= STEADY_SECONDS
        crashed, place.process = place.process.poll() != 0, None
        place.crashes = (0 if steady else place.crashes) + 1 if crashed else 0
        place.not_before = now + pause_seconds(place.crashes)

    def _ask_to_stop(self, wanted: int, now: float) -> None:
        for place in self.active[wanted:]:
            if place.process is None:
                del self.places[place.number]
            else:
                place.asked = now
                place.process.terminate()

    def _add(self, wanted: int) -> None:
        number = 0
        while len(self.active) < wanted:
            number += 1
            self.places.setdefault(number, Place(number))

    def _proceed(self, place: Place, now: float) -> None:
        if place.process is None and now >= place.not_before:
            place.process, place.started = self.start(place.number), now
        overdue = place.asked is not None and now - place.asked > self.stop_seconds
        if overdue and place.process is not None and not place.killed:
            place.killed = True
            place.process.kill()
