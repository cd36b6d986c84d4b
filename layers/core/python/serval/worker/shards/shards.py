"""Shards: beside what callers ask for, a worker works on shards of batch jobs, one at a time.

Those of all of a fleet's models wait in one queue. A worker takes a message there only when it has
nothing else from it, and works on it at once: so every worker gets its share, and how often a
message was received says how many workers have tried.
"""

import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Protocol

from serval.batch.shard.tasks import TaskOutcome
from serval.worker.program.faults import RETRY_SECONDS, Retries

MOST_RECEIPTS = 5
"""A shard that so many workers have begun, and none has ended or given back, is given up."""
LATER_SECONDS: Mapping[TaskOutcome, int] = {"given back": 0, "unanswered": RETRY_SECONDS}
"""When a shard that was not done is looked at again."""
PAUSED_SECONDS = 60
"""When a shard of a paused model is looked at again."""


@dataclass(frozen=True, slots=True)
class ShardMessage:
    """One message of a fleet's queue of shards, as one of its deliveries brought it."""

    body: Mapping[str, Any] | None
    """``shard``, ``model`` and ``task_token``; None if the message is none of ours."""
    text: str
    """The message as it came."""
    receipt: str
    """Names this delivery."""
    receipts: int
    """How often it was received, this time included."""


class ShardQueue(Protocol):
    """A fleet's queue of shards; ``serval.aws.sqs.shard_queue`` keeps it in SQS."""

    def receive(self, wait_seconds: int, visibility_seconds: int) -> ShardMessage | None:
        """Take a message, waiting for it up to ``wait_seconds``; None: there is none.

        Others receive it only when ``visibility_seconds`` have passed.
        """

    def hide(self, message: ShardMessage, seconds: int) -> None:
        """Keep it from others for so many seconds from now; one that is gone is left alone."""

    def delete(self, message: ShardMessage) -> None:
        """Delete it; one that is gone is left alone."""

    def give_back(self, message: ShardMessage, seconds: int) -> None:
        """Let others receive it in so many seconds (0..900), as if nobody had before."""


class ShardRunner(Protocol):
    """Works on what messages are about."""

    def run(self, body: Mapping[str, Any], keep: Callable[[], object]) -> TaskOutcome:
        """Work on a shard to its end; ``keep`` is called every few seconds meanwhile."""

    def give_up(self, body: Mapping[str, Any], reason: str) -> None:
        """Say that nobody will work on a shard any more, and why."""


@dataclass(slots=True, kw_only=True)
class Shards:
    """Takes messages about shards, and works on them in a thread of its own."""

    queue: ShardQueue
    runner: ShardRunner
    paused: AbstractSet[str]
    """Models whose work is left alone at the moment."""
    stopping: threading.Event
    retries: Retries
    wait_seconds: int
    """How long the queue is asked to wait for a message."""
    visibility_seconds: int
    """How long a message is hidden from others, until it is said again."""
    working: int = field(default=0, init=False)
    """Shards that are being worked on: 1 or 0."""

    def work(self) -> None:
        """Work until the worker is being stopped."""
        while not self.stopping.is_set():
            try:
                self.once()
            except self.retries.errors as error:
                self.retries.warn("receiving shards", error)
                self.retries.pause(RETRY_SECONDS)

    def once(self) -> None:
        """Work on a shard, if there is one, or comes while the queue waits."""
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
