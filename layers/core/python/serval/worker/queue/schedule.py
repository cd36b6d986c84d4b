"""The schedule: which model's requests are prepared next, and when."""

from collections.abc import Callable
from dataclasses import dataclass

from serval.inference.batch_limits import BatchLimits
from serval.worker.queue.batch import Batch, ReadyBatches
from serval.worker.queue.held import WaitingMessages
from serval.worker.queue.turns import Turn, Turns

SMOOTHING = 0.3
LEAD_FACTOR = 2.0
LEAD_SECONDS = 0.05
"""A partial batch is prepared twice the usual time, plus this, before it may run."""


@dataclass(slots=True)
class TurnSchedule:
    """Weighted turns over the models that have messages.

    A full batch is due at once. One that is not waits for company while nothing else is to do: as
    long as its bundle allows, and if something runs, until that is about to end, which costs nobody
    anything. Where another model's batch is ready, and the turn before it is this one's, waiting
    would give the turn away: it is due at once, and the runner waits for it a moment.
    """

    waiting: WaitingMessages
    ready: ReadyBatches
    turns: Turns
    limits: Callable[[str], BatchLimits]
    clock: Callable[[], float]
    prepare_seconds: float = 0.0
    """How long preparing a batch takes, smoothed."""
    _preparing: Turn | None = None

    def await_turn(self, patience_seconds: float) -> Turn | None:
        """Wait for a model whose requests are due, and take its turn; None if there is none."""
        with self.waiting.changed:
            if (turn := self.take_turn()) is None:
                self.waiting.changed.wait(min(patience_seconds, self._until_due()))
                turn = self.take_turn()
            return turn

    def take_turn(self) -> Turn | None:
        """Take the turn of the first model in order whose requests are due."""
        with self.waiting.changed:
            now = self.clock()
            model = self.turns.first(m for m in self._candidates() if self._due(m) <= now)
            if model is not None:
                self._preparing = self.turns.take(model, self.limits(model).weight)
            return None if model is None else self._preparing

    def offer(self, turn: Turn, batch: Batch | None, seconds: float) -> bool:
        """Add the batch of a turn, if it has one, and note how long preparing took.

        Returns
        -------
        bool
            False if the worker is being stopped and the batch is not added.
        """
        with self.waiting.changed:
            self.prepare_seconds += SMOOTHING * (seconds - self.prepare_seconds)
            self._preparing = None
            self.waiting.changed.notify_all()
            if batch is not None:
                return self.ready.offer(batch)
            self.turns.give_up(turn)
            return True

    def await_batch(self, patience_seconds: float) -> Batch | None:
        """Wait for a batch that is ready, and make it the running one; None if there is none."""
        with self.waiting.changed:
            if self.ready.first() is None:
                self.waiting.changed.wait(patience_seconds)
            self.waiting.changed.wait_for(lambda: not self._overtaking, self._lead)
            batch = self.ready.start()
            if batch is not None:
                self.turns.serve(batch.turn)
                usual = self.turns.usual_seconds.get(batch.model)
                self.ready.runs_until = None if usual is None else self.clock() + usual
            return batch

    def settle(self, turn: Turn, seconds: float) -> None:
        """Charge a turn with the time of its run; 0 if nothing ran."""
        with self.waiting.changed:
            if seconds:
                self.turns.settle(turn, seconds)
            else:
                self.turns.give_up(turn)

    @property
    def _overtaking(self) -> bool:
        """Whether a batch is being prepared whose turn comes before those that are ready."""
        first, preparing = self.ready.first(), self._preparing
        return first is not None and preparing is not None and preparing.order < first.turn.order

    @property
    def _lead(self) -> float:
        return LEAD_FACTOR * self.prepare_seconds + LEAD_SECONDS

    def _candidates(self) -> list[str]:
        """List the models that have messages and may be prepared: see ``ReadyBatches``."""
        first = self.ready.first()
        return [
            model
            for model in self.waiting.models()
            if not self.ready.has(model)
            and (first is None or self.turns.order(model) < first.turn.order)
        ]

    def _due(self, model: str) -> float:
        """Return when a model's first messages are due to be prepared."""
        limits = self.limits(model)
        if self.waiting.count(model) >= limits.rows:
            return 0.0
        if self.ready.first() is not None:
            return 0.0
        waited_enough = self.waiting.oldest(model) + limits.wait_seconds
        if self.ready.runs_until is None:
            return waited_enough
        return max(waited_enough, self.ready.runs_until - self._lead)

    def _until_due(self) -> float:
        now = self.clock()
        due = (self._due(model) for model in self._candidates())
        return max(0.0, min(due, default=float("inf")) - now)
