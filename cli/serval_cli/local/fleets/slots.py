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
class Slot:
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
class Slots:
    """The workers of a fleet; each ``step`` moves them closer to the desired number."""

    start: Callable[[int], Process]
    stop_seconds: float
    slots: dict[int, Slot] = field(default_factory=dict)

    def step(self, wanted: int, now: float) -> None:
        """Collect workers that ended; start, stop and kill others as necessary."""
        for slot in list(self.slots.values()):
            self._collect(slot, now)
        self._ask_to_stop(wanted, now)
        self._add(wanted)
        for slot in self.slots.values():
            self._proceed(slot, now)

    @property
    def active(self) -> list[Slot]:
        """The slots whose workers are to stay, lowest number first."""
        return sorted(
            (slot for slot in self.slots.values() if slot.asked is None),
            key=lambda slot: slot.number,
        )

    def _collect(self, slot: Slot, now: float) -> None:
        if slot.process is None or slot.process.poll() is None:
            return
        if slot.asked is not None:
            del self.slots[slot.number]
            return
        steady = now - slot.started >= STEADY_SECONDS
        crashed, slot.process = slot.process.poll() != 0, None
        slot.crashes = (0 if steady else slot.crashes) + 1 if crashed else 0
        slot.not_before = now + pause_seconds(slot.crashes)

    def _ask_to_stop(self, wanted: int, now: float) -> None:
        for slot in self.active[wanted:]:
            if slot.process is None:
                del self.slots[slot.number]
            else:
                slot.asked = now
                slot.process.terminate()

    def _add(self, wanted: int) -> None:
        number = 0
        while len(self.active) < wanted:
            number += 1
            self.slots.setdefault(number, Slot(number))

    def _proceed(self, slot: Slot, now: float) -> None:
        if slot.process is None and now >= slot.not_before:
            slot.process, slot.started = self.start(slot.number), now
        overdue = slot.asked is not None and now - slot.asked > self.stop_seconds
        if overdue and slot.process is not None and not slot.killed:
            slot.killed = True
            slot.process.kill()
