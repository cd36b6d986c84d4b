"""Turns: which model a worker serves next, so that each gets its share of the worker's time.

Start-time fair queueing, with the time that a run took as its length: a turn begins, in virtual
time, where its model's last one ended, but not before the turn that is being served; it ends its
length, divided by the model's weight, later; the turn that begins first is served first. So a model
that has asked for little is served next, however long the others' queues are, and nobody saves up
turns while idle.

Literature: Goyal, Vin, Cheng: "Start-time Fair Queuing" (SIGCOMM 1996).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

SMOOTHING = 0.3
"""Weight of the newest run in a model's usual run time."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a model, charged in advance."""

    model: str
    weight: int
    begins: float
    """In virtual time."""
    behind: int
    """Breaks ties: the model whose last turn is longer ago comes first."""
    guess_seconds: float

    @property
    def order(self) -> tuple[float, int]:
        """The key that sorts turns."""
        return self.begins, self.behind


@dataclass(slots=True)
class Turns:
    """How much of the worker's time each model has had."""

    usual_seconds: dict[str, float] = field(default_factory=dict)
    """How long a run of a model takes, smoothed."""
    _now: float = 0.0
    """When the turn being served begins, in virtual time."""
    _ends: dict[str, float] = field(default_factory=dict)
    _taken: int = 0
    _last: dict[str, int] = field(default_factory=dict)

    def order(self, model: str) -> tuple[float, int]:
        """Return the key that sorts a model's next turn among others."""
        return max(self._now, self._ends.get(model, 0.0)), self._last.get(model, 0)

    def first(self, models: Iterable[str]) -> str | None:
        """Choose the model whose turn is next; None if there is none."""
        return min(models, key=self.order, default=None)

    def take(self, model: str, weight: int) -> Turn:
        """Take a model's turn, charged with its usual time until ``settle`` corrects it."""
        begins, behind = self.order(model)
        guess = self.usual_seconds.get(model, 0.0)
        self._ends[model] = begins + guess / weight
        self._taken += 1
        self._last[model] = self._taken
        return Turn(model, weight, begins, behind, guess)

    def serve(self, turn: Turn) -> None:
        """Note that a turn is being served."""
        self._now = max(self._now, turn.begins)

    def settle(self, turn: Turn, seconds: float) -> None:
        """Charge a served turn with the time that it took."""
        usual = self.usual_seconds.get(turn.model, seconds)
        self.usual_seconds[turn.model] = usual + SMOOTHING * (seconds - usual)
        self._ends[turn.model] += (seconds - turn.guess_seconds) / turn.weight

    def give_up(self, turn: Turn) -> None:
        """Refund a turn in which nothing ran."""
        self._ends[turn.model] -= turn.guess_seconds / turn.weight
