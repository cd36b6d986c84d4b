"""A batch that is ready to run, and the batches that are ready: at most one for each model."""

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
    """When its rows were last seen, by the clock that waits are measured by."""
    inputs: Sequence[Tensor] | None = None
    """Of all of them, joined; None: they have not been."""


@dataclass(slots=True)
class ReadyBatches:
    """What is prepared, and what runs; whoever looks holds ``changed``, which ``Waiting`` shares.

    One batch is prepared ahead of the running one, and another model's only if its turn is before.
    """

    changed: threading.Condition
    stopping: Callable[[], bool] = lambda: False
    """Is the worker being stopped: then nothing more is taken, and nothing is started."""
    running: Batch | None = None
    runs_until: float | None = None
    """When the running batch is expected to end; None: nobody knows."""
    _ready: dict[str, Batch] = field(default_factory=dict)

    def first(self) -> Batch | None:
        """Give the batch whose turn is next; it stays."""
        return min(self._ready.values(), key=lambda batch: batch.turn.order, default=None)

    def has(self, model: str) -> bool:
        """Tell whether a model has a batch that is ready."""
        return model in self._ready

    def offer(self, batch: Batch) -> bool:
        """Add a batch; False: the worker is being stopped, and it is not taken."""
        with self.changed:
            if self.stopping():
                return False
            self._ready[batch.model] = batch
            self.changed.notify_all()
            return True

    def start(self) -> Batch | None:
        """Make the first one the running batch; None if there is none."""
        with self.changed:
            batch = None if self.stopping() else self.first()
            if batch is not None:
                self.running = self._ready.pop(batch.model)
                self.changed.notify_all()
            return batch

    def end(self) -> None:
        """Say that the running batch has ended."""
        with self.changed:
            self.running = self.runs_until = None
            self.changed.notify_all()

    def take_all(self) -> list[Batch]:
        """Take what is ready."""
        with self.changed:
            ready, self._ready = list(self._ready.values()), {}
            self.changed.notify_all()
            return ready

    def await_idle(self, seconds: float) -> bool:
        """Wait until nothing runs; False if something still does."""
        with self.changed:
            return self.changed.wait_for(lambda: self.running is None, seconds)
