"""Batches that are ready to run, at most one for each model."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from serval.models.tensor import Tensor
from serval.worker.queue.held import Held
from serval.worker.queue.turns import Turn


@dataclass(slots=True)
class Batch:
    """Requests of one version and shape whose attempt has begun."""

    model: str
    version: str
    held: list[Held]
    turn: Turn
    prepared: float
    """When its rows were last read, by the monotonic clock."""
    inputs: Sequence[Tensor] | None = None
    """The joined inputs of all requests; None: they are not joined yet."""

    @property
    def streams(self) -> bool:
        """Whether its requests are streams, which share no run: each is written by itself."""
        return any(one.known.stream for one in self.held)


@dataclass(slots=True)
class ReadyBatches:
    """The prepared batches and the running one; readers hold ``changed``, shared with the buffer.

    One batch is prepared ahead of the running one; another model's only if its turn is earlier.
    """

    changed: threading.Condition
    stopping: Callable[[], bool] = lambda: False
    """Whether the worker is being stopped: then no batch is added or started."""
    running: Batch | None = None
    runs_until: float | None = None
    """When the running batch is expected to end; None: unknown."""
    _ready: dict[str, Batch] = field(default_factory=dict)

    def first(self) -> Batch | None:
        """Return the batch whose turn is next, without taking it."""
        return min(self._ready.values(), key=lambda batch: batch.turn.order, default=None)

    def has(self, model: str) -> bool:
        """Return whether a model has a batch that is ready."""
        return model in self._ready

    def offer(self, batch: Batch) -> bool:
        """Add a batch; return False if the worker is being stopped."""
        with self.changed:
            if self.stopping():
                return False
            self._ready[batch.model] = batch
            self.changed.notify_all()
            return True

    def start(self) -> Batch | None:
        """Make the first batch the running one and return it; None if there is none."""
        with self.changed:
            batch = None if self.stopping() else self.first()
            if batch is not None:
                self.running = self._ready.pop(batch.model)
                self.changed.notify_all()
            return batch

    def end(self) -> None:
        """Note that the running batch has ended."""
        with self.changed:
            self.running = self.runs_until = None
            self.changed.notify_all()

    def take_all(self) -> list[Batch]:
        """Take all batches that are ready."""
        with self.changed:
            ready, self._ready = list(self._ready.values()), {}
            self.changed.notify_all()
            return ready

    def await_idle(self, seconds: float) -> bool:
        """Wait until nothing runs; return False if something still does."""
        with self.changed:
            return self.changed.wait_for(lambda: self.running is None, seconds)
