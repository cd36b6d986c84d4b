"""Shards: besides async requests, a worker works on shards of batch jobs, one at a time.

The shards of all of a fleet's models wait in one queue. A worker receives one message at a time and
works on it at once, so every worker gets its share, and the receive count of a message is the
number of workers that have tried.
"""

import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from serval.worker.program.faults import RETRY_SECONDS, Retries

if TYPE_CHECKING:  # It imports what reads and writes tables, and a shard has a process of its own.
    from serval.batch.shard.tasks import TaskOutcome

MOST_RECEIPTS = 5
"""A shard is given up after so many workers have begun it without ending or returning it."""
LATER_SECONDS: Mapping["TaskOutcome", int] = {"given back": 0, "unanswered": RETRY_SECONDS}
"""When a shard that was not done is tried again."""
PAUSED_SECONDS = 60
"""When a shard of a paused model is tried again."""


@dataclass(frozen=True, slots=True)
class ShardMessage:
    """A message of a fleet's shard queue, as one delivery brought it."""

    body: Mapping[str, Any] | None
    """``shard``, ``model`` and ``task_token``; None if the message is not ours."""
    text: str
    """The message as it came."""
    receipt: str
    """Names this delivery."""
    receipts: int
    """How often it was received, this time included."""


class ShardQueue(Protocol):
    """A fleet's shard queue; ``serval.aws.sqs.shard_queue`` keeps it in SQS."""

    def receive(self, wait_seconds: int, visibility_seconds: int) -> ShardMessage | None:
        """Receive a message, waiting up to ``wait_seconds``; None if there is none.

        Others receive it only when ``visibility_seconds`` have passed.
        """

    def hide(self, message: ShardMessage, seconds: int) -> None:
        """Hide a message from others for so many seconds from now, unless it is gone."""

    def delete(self, message: ShardMessage) -> None:
        """Delete a message, unless it is gone."""

    def give_back(self, message: ShardMessage, seconds: int) -> None:
        """Return a message in so many seconds (0..900), with a receive count of zero."""


class ShardRunner(Protocol):
    """Works on shards."""

    def run(self, body: Mapping[str, Any], keep: Callable[[], object]) -> "TaskOutcome":
        """Work on a shard to its end; ``keep`` is called every few seconds meanwhile."""

    def give_up(self, body: Mapping[str, Any], reason: str) -> None:
        """Report that no worker will try a shard again, and why."""


@dataclass(slots=True, kw_only=True)
class Shards:
    """Takes messages about shards, and works on them in a thread of its own."""

    queue: ShardQueue
    runner: ShardRunner
    paused: AbstractSet[str]
    """Models whose shards are not run at the moment."""
    stopping: threading.Event
    retries: Retries
    wait_seconds: int
    """How long a poll waits for a message."""
    visibility_seconds: int
    """How long a message is hidden from others, until that is extended."""
    working: int = field(default=0, init=False)
    """Shards in work: 1 or 0."""

    def work(self) -> None:
        """Work until the worker is being stopped."""
        while not self.stopping.is_set():
            try:
                self.once()
            except self.retries.errors as error:
                self.retries.warn("receiving shards", error)
                self.retries.pause(RETRY_SECONDS)

    def once(self) -> None:
        """Work on a shard that is there, or that arrives during the poll."""
        message = self.queue.receive(self.wait_seconds, self.visibility_seconds)
        if message is None:
            return
        if message.body is None:
            self.queue.delete(message)
        elif self.stopping.is_set():
            self.queue.give_back(message, 0)
        elif message.body["model"] in self.paused:
            self.queue.give_back(message, PAUSED_SECONDS)
        elif message.receipts > MOST_RECEIPTS:
            self.runner.give_up(message.body, f"{MOST_RECEIPTS} workers have died of it")
            self.queue.delete(message)
        else:
            self._work(message, message.body)

    def _work(self, message: ShardMessage, body: Mapping[str, Any]) -> None:
        self.working = 1
        try:
            outcome = self.runner.run(body, lambda: self._keep(message))
        except self.retries.errors as error:
            self.retries.warn(f"a shard for {body['model']!r}", error)
            self.queue.give_back(message, RETRY_SECONDS)
        else:
            if outcome in LATER_SECONDS:
                self.queue.give_back(message, LATER_SECONDS[outcome])
            else:
                self.queue.delete(message)
        finally:
            self.working = 0

    def _keep(self, message: ShardMessage) -> None:
        self.queue.hide(message, self.visibility_seconds)
