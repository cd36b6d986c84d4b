"""Messages that were received and not begun, by model, oldest first."""

import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from serval.worker.held import Held


@dataclass(slots=True)
class Waiting:
    """A worker's buffer; whoever changes it or waits for it to change holds ``changed``."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    _by_model: defaultdict[str, deque[Held]] = field(default_factory=lambda: defaultdict(deque))

    def count(self, model: str) -> int:
        """Count a model's messages."""
        return len(self._by_model[model])

    def oldest(self, model: str) -> float:
        """Tell when a model's first message was received; there must be one."""
        return self._by_model[model][0].since

    def models(self) -> list[str]:
        """List the models that have messages."""
        return [model for model, held in self._by_model.items() if held]

    def add(self, model: str, held: Sequence[Held]) -> None:
        """Add messages that were received."""
        with self.changed:
            self._by_model[model].extend(held)
            self.changed.notify_all()

    def put_back(self, model: str, held: Sequence[Held]) -> None:
        """Put messages back that were taken and not begun; they are the next to be taken."""
        with self.changed:
            self._by_model[model].extendleft(reversed(held))
            self.changed.notify_all()

    def take(self, model: str, most: int) -> list[Held]:
        """Take a model's first messages."""
        with self.changed:
            own = self._by_model[model]
            taken = [own.popleft() for _ in range(min(most, len(own)))]
            self.changed.notify_all()
            return taken

    def take_all(self, model: str) -> list[Held]:
        """Take all of a model's messages."""
        return self.take(model, self.count(model))
