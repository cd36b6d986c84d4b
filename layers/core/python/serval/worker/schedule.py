"""Which model's requests are prepared next, and when."""

from collections.abc import Callable
from dataclasses import dataclass

from serval.worker.batch import Ahead, Batch
from serval.worker.batching import BatchLimits
from serval.worker.turns import Turn, Turns
from serval.worker.waiting import Waiting

SMOOTHING = 0.3
LEAD_FACTOR = 2.0
LEAD_SECONDS = 0.05
"""A batch that is not full is prepared twice its usual time, and this, before it may run."""


@dataclass(slots=True)
class Schedule:
    """Weighted turns over the models that have messages.

    A full batch is due at once. One that is not waits for company: as long as its bundle allows
    while nothing runs, and else until the running batch is about to end, which costs nobody
    anything. Meanwhile every other model whose requests are due has its turn.
    """

    waiting: Waiting
    ahead: Ahead
    turns: Turns
    limits: Callable[[str], BatchLimits]
    clock: Callable[[], float]
    prepare_seconds: float = 0.0
    """How long it takes to prepare a batch, smoothed."""

    def await_turn(self, patience_seconds: float) -> Turn | None:
        """Wait for a model whose requests are due, and give it its turn; None: nobody's are."""
        with self.waiting.changed:
            if (turn := self.take_turn()) is None:
                self.waiting.changed.wait(min(patience_seconds, self._until_due()))
                turn = self.take_turn()
            return turn

    def take_turn(self) -> Turn | None:
        """Give the model that is first in turn among those whose requests are due its turn."""
        with self.waiting.changed:
            now = self.clock()
            model = self.turns.first(m for m in self._candidates() if self._due(m) <= now)
            return None if model is None else self.turns.take(model, self.limits(model).weight)

    def await_batch(self, patience_seconds: float) -> Batch | None:
        """Wait for a batch that is ready, and make it the running one; None: there is none."""
        with self.waiting.changed:
            if (batch := self.ahead.start()) is None:
                self.waiting.changed.wait(patience_seconds)
                batch = self.ahead.start()
            if batch is not None:
                self.turns.serve(batch.turn)
                usual = self.turns.usual_seconds.get(batch.model)
                self.ahead.runs_until = None if usual is None else self.clock() + usual
            return batch

    def settle(self, turn: Turn, seconds: float) -> None:
        """Charge a turn with what its run took."""
        with self.waiting.changed:
            self.turns.settle(turn, seconds)

    def give_up(self, turn: Turn) -> None:
        """Charge nothing for a turn that came to nothing."""
        with self.waiting.changed:
            self.turns.give_up(turn)

    def note_preparation(self, seconds: float) -> None:
        """Learn how long it took to prepare a batch."""
        self.prepare_seconds += SMOOTHING * (seconds - self.prepare_seconds)

    def _candidates(self) -> list[str]:
        """List the models that have messages and may be prepared: see ``Ahead``."""
        first = self.ahead.first()
        return [
            model
            for model in self.waiting.models()
            if not self.ahead.has(model)
            and (first is None or self.turns.order(model) < first.turn.order)
        ]

    def _due(self, model: str) -> float:
        """Tell when a model's first messages are to be prepared."""
        limits = self.limits(model)
        if self.waiting.count(model) >= limits.rows:
            return 0.0
        waited_enough = self.waiting.oldest(model) + limits.wait_seconds
        if self.ahead.runs_until is None:
            return waited_enough
        lead = LEAD_FACTOR * self.prepare_seconds + LEAD_SECONDS
        return max(waited_enough, self.ahead.runs_until - lead)

    def _until_due(self) -> float:
        now = self.clock()
        due = (self._due(model) for model in self._candidates())
        return max(0.0, min(due, default=float("inf")) - now)
