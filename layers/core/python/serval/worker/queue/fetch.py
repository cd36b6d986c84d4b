"""Fetch: a thread for each queue receives messages while there is room for them."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from serval.inference.batch_limits import BatchLimits
from serval.models.route import Track
from serval.requests.inbox import Inbox
from serval.worker.program.faults import RETRY_SECONDS, Retries
from serval.worker.queue.held import Held, Holdings, WaitingMessages
from serval.worker.queue.prepare import MOST_MESSAGES

MOST_AT_ONCE = 10
"""Messages in one answer of SQS."""
TURN_SECONDS = 1.0
"""How often a queue that others read is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Receives a model's messages while its buffer holds less than a batch."""

    inbox: Inbox
    waiting: WaitingMessages
    holdings: Holdings
    limits: Callable[[str], BatchLimits]
    paused: AbstractSet[str]
    """Models whose queues are not read at the moment."""
    takes: Callable[[str, Track], bool]
    """Whether this worker reads a model's queue of a track at the moment."""
    stopping: Callable[[], bool]
    retries: Retries
    clock: Callable[[], float]
    wait_seconds: int
    """How long a poll waits for a message."""
    visibility_seconds: int
    """How long messages are hidden from others, until a heartbeat extends it."""

    def run(self, model: str, track: Track = "stable") -> None:
        """Receive messages until the worker is being stopped."""
        while not self.stopping():
            with self.waiting.changed:
                self.waiting.changed.wait_for(lambda: self.stopping() or self.room(model) > 0, 1.0)
            if self.room(model) > 0 and not self.stopping():
                self._try(model, track)

    def room(self, model: str) -> int:
        """Return how many messages may be taken now."""
        if model in self.paused:
            return 0
        batch = min(self.limits(model).rows, MOST_MESSAGES)
        # Streams are written for long: other workers have what this one has no place for.
        held = self.holdings.count_streams(model) or self.waiting.count(model)
        return min(MOST_AT_ONCE, max(0, batch - held))

    def once(self, model: str, track: Track = "stable") -> None:
        """Receive the messages that are there, or that arrive during the poll."""
        found = self.inbox.receive(
            model, self.room(model), self.wait_seconds, self.visibility_seconds, track
        )
        held = [Held(message, self.clock()) for message in found]
        self.holdings.add(held)
        if self.stopping() or model in self.paused:
            self.holdings.settle((one, 0) for one in held)
            return
        if held:
            self.waiting.add(model, held)

    def _try(self, model: str, track: Track) -> None:
        try:
            if self.takes(model, track):
                self.once(model, track)
            else:
                self.retries.pause(TURN_SECONDS)
        except self.retries.errors as error:
            self.retries.warn(f"receiving messages of {model!r}", error)
            self.retries.pause(RETRY_SECONDS)
