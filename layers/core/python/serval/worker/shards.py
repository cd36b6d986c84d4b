"""Shards: beside what callers ask for, a worker works on shards of batch jobs, one at a time."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serval.batch.tasks import TaskOutcome
from serval.worker.faults import RETRY_SECONDS, Patience
from serval.worker.held import Fate, Held, Holdings

FATES: Mapping[TaskOutcome, Fate] = {"done": "delete", "stale": "delete", "given back": 0}
NEXT = 9
"""Shards that wait here while another one is worked on: what one call of SQS may bring."""
ELSEWHERE_SECONDS = 120
"""When what has no place here is seen again: at once by whoever comes for it then.

Each time counts as a receipt, of which a message has few.
"""
IDLE_SECONDS = 1.0

Run = Callable[[Mapping[str, Any]], TaskOutcome]


@dataclass(slots=True, kw_only=True)
class Shards:
    """Holds messages about shards, and works on them in a thread of its own."""

    run: Run | None
    """Works on a message's shard to its end; None: this worker knows no batch jobs."""
    holdings: Holdings
    patience: Patience
    stopping: threading.Event
    _next: "queue.Queue[Held]" = field(default_factory=queue.Queue)
    _busy: Held | None = None

    def take(self, held: Sequence[Held]) -> None:
        """Keep what there is a place for; the rest is for other workers, or for later."""
        for one in held:
            if self.run is None or self._next.qsize() >= NEXT:
                self.holdings.settle([(one, ELSEWHERE_SECONDS)])
            else:
                self._next.put(one)

    def working_on(self, one: Held) -> bool:
        """Tell whether it is worked on: then it is given back only when it has come to a stop."""
        return one is self._busy

    def work(self) -> None:
        """Work until the worker is being stopped."""
        while not self.stopping.is_set():
            try:
                one = self._next.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                continue
            self._busy = one
            self._work(one)
            self._busy = None

    def _work(self, one: Held) -> None:
        assert self.run is not None
        try:
            fate = FATES[self.run(one.message.shard or {})]
        except self.patience.errors as error:
            self.patience.warn(f"a shard for {one.message.model!r}", error)
            fate = RETRY_SECONDS
        self.holdings.settle([(one, fate)])
