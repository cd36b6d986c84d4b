"""Redrive: send dead letters back to work, once the cause of their failures is mended.

For each letter, queue the row again, send a message, wake the fleet, and only then delete the
letter. A crash between any two loses nothing: the letter is visible again after a minute, and
redriving it finds the row queued and sends another message, which is harmless.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from serval.clock import Clock, utc_now
from serval.errors import RequestConflict
from serval.requests import lifecycle
from serval.requests.ports import Payloads, RequestQueue, RequestStore, Waker, change
from serval.requests.request import AsyncRequest, Status
from serval.requests.retry import renew_payload

LetterOutcome = Status | Literal["expired"]
"""What became of a letter's request: queued again; running, so the letter stays; closed or expired,
so the letter goes."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of a dead-letter queue, hidden from others for a minute."""

    request_id: str
    reason: str
    """Why its request failed; empty: SQS moved it here after too many receipts."""
    receipt: str
    """Deletes it."""


class DeadLetters(Protocol):
    """The dead-letter queues of a stage's fleet models."""

    def dead_letters(self, model: str) -> Sequence[DeadLetter]:
        """Receive up to ten of a model's dead letters; empty at the end."""

    def delete_dead_letter(self, model: str, letter: DeadLetter) -> None:
        """Delete a received dead letter."""

    def release_dead_letters(self, model: str, letters: Sequence[DeadLetter]) -> None:
        """Let others receive them at once."""


@dataclass(frozen=True, slots=True)
class InspectedLetter:
    """A dead letter and its request."""

    request_id: str
    reason: str
    """Why it failed: the row's error, or else the letter's reason."""
    request: AsyncRequest | None
    """None: it has expired."""


@dataclass(frozen=True, slots=True)
class RedrivenLetter:
    """What became of a dead letter."""

    request_id: str
    """The id by which its caller knows it."""
    fate: LetterOutcome
    reason: str
    """Why its request had failed."""


@dataclass(frozen=True, slots=True)
class Redrive:
    """Inspects a model's dead letters, or sends them back to work."""

    store: RequestStore
    queue: RequestQueue
    payloads: Payloads
    letters: DeadLetters
    waker: Waker
    clock: Clock = utc_now

    def inspect(self, model: str, limit: int) -> Sequence[InspectedLetter]:
        """List at most ``limit`` dead letters, and release them."""
        received: list[DeadLetter] = []
        try:
            for letter in self._receive(model, limit):
                received.append(letter)
        finally:
            self.letters.release_dead_letters(model, received)
        letters = {letter.request_id: letter for letter in received}
        rows = self.store.find_all(list(letters))
        return [join_row(letter, rows) for letter in letters.values()]

    def redrive(self, model: str, limit: int) -> Iterator[RedrivenLetter]:
        """Send at most ``limit`` dead letters back to work, yielding each when it is done.

        A request that runs keeps its letter: its runner writes the letter before it closes the row.
        """
        left: list[DeadLetter] = []
        try:
            for letter in self._receive(model, limit):
                redriven = self._redrive(model, letter)
                if redriven.fate == "running":
                    left.append(letter)
                yield redriven
        finally:
            self.letters.release_dead_letters(model, left)

    def _receive(self, model: str, limit: int) -> Iterator[DeadLetter]:
        """Receive up to ``limit`` letters, and release any beyond."""
        count = 0
        while count < limit and (batch := self.letters.dead_letters(model)):
            taken = batch[: limit - count]
            self.letters.release_dead_letters(model, batch[len(taken) :])
            count += len(taken)
            yield from taken

    def _redrive(self, model: str, letter: DeadLetter) -> RedrivenLetter:
        before = self.store.find(letter.request_id)
        row = None if before is None else self._requeue(before)
        fate: LetterOutcome = "expired" if row is None else row.status
        name = letter.request_id if before is None else before.name
        redriven = RedrivenLetter(name, fate, failure_reason(letter, before))
        if redriven.fate == "running":
            return redriven
        if row is not None and row.open:
            self.queue.send(model, row.id)
            self.waker.wake(row.fleet)
        self.letters.delete_dead_letter(model, letter)
        return redriven

    def _requeue(self, row: AsyncRequest) -> AsyncRequest | None:
        """Queue a failed request again; None: it or its payload has expired."""
        if row.status == "failed":
            try:
                renew_payload(self.payloads, row)
            except RequestConflict:
                return None
        return change(self.store, row, self._retry_failed)

    def _retry_failed(self, row: AsyncRequest) -> AsyncRequest:
        """Queue a failed request again; leave one that its caller cancelled."""
        return lifecycle.retry(row, self.clock()) if row.status == "failed" else row


def failure_reason(letter: DeadLetter, row: AsyncRequest | None) -> str:
    """Return why a request failed."""
    return (row.error if row is not None else None) or letter.reason


def join_row(letter: DeadLetter, rows: Mapping[str, AsyncRequest]) -> InspectedLetter:
    """Join a letter and its row."""
    row = rows.get(letter.request_id)
    return InspectedLetter(letter.request_id, failure_reason(letter, row), row)
