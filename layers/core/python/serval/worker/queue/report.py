"""Report: a worker writes its state and reads what its fleet's row tells it, every few seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field

from serval.clock import Clock, timestamp
from serval.fleets.canaries import Sides
from serval.fleets.state import FleetStates, WorkerState
from serval.worker.program.faults import Retries
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.program.machine import Protection
from serval.worker.queue.finish import Finish
from serval.worker.queue.held import Holdings, WaitingMessages
from serval.worker.queue.outcomes import WorkerCounts
from serval.worker.shards.shards import Shards


@dataclass(slots=True, kw_only=True)
class Report:
    """Keeps the worker's row, its protection, its sides and its paused models up to date."""

    fleet: str
    worker: str
    accelerator: str
    """What the worker runs on, in words."""
    states: FleetStates
    counts: WorkerCounts
    holdings: Holdings
    shards: Shards | None
    waiting: WaitingMessages
    finish: Finish
    memory: LoadedMemory
    protection: Protection
    paused: set[str]
    sides: Sides | None
    """Which side it is on where a model's versions have machines of their own; None: nowhere."""
    retries: Retries
    clock: Clock
    monotonic: Callable[[], float]
    started: str = field(init=False)

    def __post_init__(self) -> None:
        self.started = timestamp(self.clock())

    def report(self, *, draining: bool = False) -> None:
        """Write the worker's state, and read which models are paused, and who holds candidates."""
        try:
            self.states.report(self.state(draining=draining))
            row = self.states.find(self.fleet)
            if self.sides is not None:
                self.sides.obey(row.holders)
            self._obey(row.paused)
            self.protection.hold(self.working, self.monotonic())
        except self.retries.errors as error:
            self.retries.warn("reporting", error)
        self.counts.flush()

    def state(self, *, draining: bool) -> WorkerState:
        """Return the worker's row."""
        return WorkerState(
            fleet=self.fleet,
            worker=self.worker,
            accelerator=self.accelerator,
            started=self.started,
            seen=timestamp(self.clock()),
            completed=self.counts.completed,
            busy_seconds=round(self.counts.busy_seconds, 3),
            holding=len(self.holdings.list_begun()),
            shards=self.shards.working if self.shards else 0,
            draining=draining,
            loaded=self.memory.names(),
        )

    @property
    def working(self) -> bool:
        """Whether the worker holds anything that it would have to give back."""
        return len(self.holdings) > 0 or bool(self.shards and self.shards.working)

    def leave(self) -> None:
        """Remove the worker's row and let go of its protection."""
        try:
            self.protection.hold(False, self.monotonic())
            self.states.remove(self.fleet, self.worker)
        except self.retries.errors as error:
            self.retries.warn("leaving", error)
        self.counts.flush()

    def _obey(self, paused: tuple[str, ...]) -> None:
        """Stop reading paused models' queues, and give back their messages that have not begun."""
        self.paused.difference_update(self.paused - set(paused))
        self.paused.update(paused)
        for model in paused:
            self.finish.give_back(self.waiting.take_all(model))
