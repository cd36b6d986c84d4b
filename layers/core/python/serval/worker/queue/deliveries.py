"""Deliveries: Lambda brings messages about requests of models that have no fleet.

A fleet's worker fetches its messages, keeps several batches on their way, and gives back what it
holds when it is stopped. A function is brought few messages, does nothing else until it has dealt
with them, and is stopped without notice. All between is the same: messages are prepared, run and
finished as by a worker.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serval.errors import UnsupportedFeature
from serval.models.route import Track
from serval.requests.inbox import Inbox, Message
from serval.requests.stream.piece import StreamChunk
from serval.worker.queue.finish import Finish
from serval.worker.queue.heartbeat import Heartbeat
from serval.worker.queue.held import Held, Holdings, WaitingMessages
from serval.worker.queue.outcomes import WorkerCounts
from serval.worker.queue.prepare import Prepare
from serval.worker.queue.run import Runner
from serval.worker.queue.turns import Turn

Event = Mapping[str, Any]


class NoStreams:
    """``StreamLog`` of a function that answers as a whole."""

    def append(self, request_id: str, chunk: StreamChunk, expires: datetime) -> bool:
        """Write nothing."""
        return False

    def read(self, request_id: str, after: int) -> Sequence[StreamChunk]:
        """Refuse a stream, which was submitted when its model had a fleet."""
        raise UnsupportedFeature(
            f"request {request_id!r} is a stream, and its model runs on Lambda now: submit it again"
        )


@dataclass(frozen=True, slots=True)
class DeliveredInbox:
    """``Inbox`` of messages that Lambda receives; it deletes those that it is not told to keep."""

    queue: Inbox
    finished: set[str] = field(default_factory=set)
    """Receipts of messages that Lambda is to delete."""

    def receive(
        self,
        model: str,
        most: int,
        wait_seconds: int,
        visibility_seconds: int,
        track: Track = "stable",
    ) -> Sequence[Message]:
        """Receive nothing: Lambda does."""
        return ()

    def hide(self, messages: Sequence[Message], seconds: int) -> None:
        """Hide messages from others for so many seconds from now."""
        self.queue.hide(messages, seconds)

    def delete(self, messages: Sequence[Message]) -> None:
        """Leave messages to Lambda, which deletes them."""
        self.finished.update(message.receipt for message in messages)

    def send(self, model: str, request_id: str, track: Track) -> None:
        """Send a message about a request to a track's queue."""
        self.queue.send(model, request_id, track)

    def dead_letter(self, model: str, request_id: str, reason: str) -> None:
        """Send a message to the dead-letter queue."""
        self.queue.dead_letter(model, request_id, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Answers the requests that delivered messages are about."""

    inbox: DeliveredInbox
    holdings: Holdings
    waiting: WaitingMessages
    prepare: Prepare
    runner: Runner
    finish: Finish
    heartbeat: Heartbeat
    counts: WorkerCounts
    beat_seconds: float
    """How often leases are extended."""

    def answer(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Answer requests, and return the messages that are to be delivered again.

        The messages may be of several models. Those that a failure of this code leaves behind are
        hidden until the leases of their requests end.
        """
        held = [Held(message, self.prepare.monotonic()) for message in messages]
        self.inbox.finished.clear()
        self.holdings.add(held)
        for one in held:
            self.waiting.add(one.message.model, [one])
        try:
            with self._beating():
                while models := self.waiting.models():
                    self._answer_some(models[0])
        finally:
            for model in self.waiting.models():
                self.waiting.take_all(model)
            self.holdings.settle((one, "leave") for one in held)
            self.counts.flush()
        return [one for one in messages if one.receipt not in self.inbox.finished]

    def _answer_some(self, model: str) -> None:
        """Run the first of a model's messages, as many as share a run."""
        batch = self.prepare.prepare(Turn(model, 1, 0.0, 0, 0.0))
        if batch is None:
            return
        ended = self.runner.run(batch)
        self.counts.count_run(ended, self.runner.run_seconds)
        self.finish.finish(ended)

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Extend leases at once, and again and again, in a thread of their own."""
        ended = threading.Event()

        def beat() -> None:
            self.heartbeat.beat()
            while not ended.wait(self.beat_seconds):
                self.heartbeat.beat()

        thread = threading.Thread(target=beat, name="beat")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
