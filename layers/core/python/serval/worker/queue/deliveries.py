"""Deliveries: Lambda brings messages about requests of models that have no fleet.

A fleet's worker fetches its messages, keeps several batches on their way, and gives back what it
holds when it is stopped. A function is brought few messages, does nothing else until it has dealt
with them, and is stopped without notice. All between is the same: messages are prepared, run and
finished as by a worker.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from serval.errors import InvalidInputs
from serval.models.route import Track
from serval.requests.inbox import Inbox, Message
from serval.worker.queue.batch import Batch
from serval.worker.queue.finish import Finish
from serval.worker.queue.heartbeat import Heartbeat
from serval.worker.queue.held import Held, Holdings, WaitingMessages
from serval.worker.queue.outcomes import Failed, GivenBack, Outcome, WorkerCounts
from serval.worker.queue.prepare import Prepare
from serval.worker.queue.run import Runner
from serval.worker.queue.turns import Turn
from serval.worker.streams.streams import Streams
from serval.worker.streams.text import WorkerStream

END_SECONDS = 20.0
"""Left of the function's time for the last token of a stream, and for what ends its attempt."""


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
    streams: Streams
    heartbeat: Heartbeat
    counts: WorkerCounts
    beat_seconds: float
    """How often leases are extended."""

    def answer(self, messages: Sequence[Message], seconds: float) -> Sequence[Message]:
        """Answer requests, and return the messages that are to be delivered again.

        The messages may be of several models. Those that a failure of this code leaves behind are
        hidden until the leases of their requests end.

        Parameters
        ----------
        seconds
            How long the function may take.
        """
        until = self.prepare.monotonic() + seconds - END_SECONDS
        outcome = partial(out_of_time, alone=len(messages) == 1)
        held = [Held(message, self.prepare.monotonic()) for message in messages]
        self.inbox.finished.clear()
        self.holdings.add(held)
        for one in held:
            self.waiting.add(one.message.model, [one])
        try:
            with self._beating():
                while models := self.waiting.models():
                    self._answer_some(models[0], lambda: self.prepare.monotonic() >= until, outcome)
        finally:
            self.streams.forget()
            for model in self.waiting.models():
                self.waiting.take_all(model)
            self.holdings.settle((one, "leave") for one in held)
            self.counts.flush()
        return [one for one in messages if one.receipt not in self.inbox.finished]

    def _answer_some(
        self, model: str, late: Callable[[], bool], outcome: Callable[[WorkerStream], Outcome]
    ) -> None:
        """Run the first of a model's messages, as many as share a run, unless it is too late."""
        batch = self.prepare.prepare(Turn(model, 1, 0.0, 0, 0.0))
        for part in () if batch is None else separate_streams(batch):
            if late():
                self.finish.give_back(part.held)
                continue
            ended = self.runner.run(part)
            self.counts.count_run(ended, self.runner.run_seconds)
            self.finish.finish(ended)
            self.streams.write_out(late, outcome)

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


def separate_streams(batch: Batch) -> Sequence[Batch]:
    """Separate streams, so that each has ended before a version is loaded for the next one.

    Open ones would have to make room for it, which a thread of their own does on a worker.
    """
    return [replace(batch, held=[one]) for one in batch.held] if batch.streams else [batch]


def out_of_time(stream: WorkerStream, *, alone: bool) -> Outcome:
    """Return what becomes of a stream that has not ended when its function's time does.

    The next attempt goes through all tokens from the first, as slowly as they were written. So if
    this one has written no more than it had to go through, the next ones would not, either.

    Parameters
    ----------
    alone
        Whether the function did nothing else; if it did, the stream had less than the whole time.
    """
    if not alone or stream.written > 2 * stream.held.logged:
        return GivenBack()
    return Failed(
        InvalidInputs(
            "the text takes longer to write than a function may run on Lambda, which is 15 minutes:"
            " ask for fewer tokens, or run the model on a fleet"
        )
    )
