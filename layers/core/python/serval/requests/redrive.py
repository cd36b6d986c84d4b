"""Redriving: dead letters go back to work, once what made their requests fail is mended.

For each: the row is queued again, a message is sent, the fleet is woken, and only then the dead
letter is deleted. A crash between any two loses nothing: the dead letter is there again after a
minute, and whoever redrives it then finds the row queued and sends one more message, which harms
nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from serval.clock import Clock, utc_now
from serval.errors import RequestConflict
from serval.requests import lifecycle
from serval.requests.ports import Payloads, RequestQueue, RequestStore, Waker, change
from serval.requests.request import AsyncRequest, Status
from serval.requests.retry import renew_asked

Fate = Status | Literal["expired"]
"""What became of a dead letter's request: it is queued again; it is being attempted at this very
moment, so its letter stays; or there is nothing to do any more, so its letter goes."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of a dead-letter queue, received for a minute."""

    request_id: str
    reason: str
    """Why its request failed; empty: SQS has put it there, after too many receipts."""
    receipt: str
    """What deletes it."""


class DeadLetters(Protocol):
    """The dead-letter queues of a stage's fleet models; in SQS, ``serval.aws.sqs.queues``."""

    def dead_letters(self, model: str) -> Sequence[DeadLetter]:
        """Receive up to ten of a model's dead letters; none: there is no more to receive."""

    def delete_dead_letter(self, model: str, letter: DeadLetter) -> None:
        """Delete a dead letter that was received."""

    def release_dead_letters(self, model: str, letters: Sequence[DeadLetter]) -> None:
        """Let others receive them, at once."""


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead letter, with the request that it is about."""

    request_id: str
    reason: str
    """Why it failed: as the row says, else as the letter does."""
    request: AsyncRequest | None
    """None: it has expired."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of a dead letter."""

    request_id: str
    """By which its caller knows it."""
    fate: Fate
    reason: str
    """Why its request had failed."""


@dataclass(frozen=True, slots=True)
class Redrive:
    """Looks at a model's dead letters, or sends them back to work."""

    store: RequestStore
    queue: RequestQueue
    payloads: Payloads
    letters: DeadLetters
    waker: Waker
    clock: Clock = utc_now

    def inspect(self, model: str, limit: int) -> Sequence[Dead]:
        """List dead letters, at most ``limit``; all are there for others again afterwards."""
        received: list[DeadLetter] = []
        try:
            for letter in self._received(model, limit):
                received.append(letter)
        finally:
            self.letters.release_dead_letters(model, received)
        letters = {letter.request_id: letter for letter in received}
        rows = self.store.find_all(list(letters))
        return [described(letter, rows) for letter in letters.values()]

    def redrive(self, model: str, limit: int) -> Iterator[Redriven]:
        """Send at most ``limit`` dead letters back to work, and tell of each when it is done.

        What is being attempted keeps its letter: a runner writes that before it closes the row.
        """
        left: list[DeadLetter] = []
        try:
            for letter in self._received(model, limit):
                redriven = self._redrive(model, letter)
                if redriven.fate == "running":
                    left.append(letter)
                yield redriven
        finally:
            self.letters.release_dead_letters(model, left)

    def _received(self, model: str, limit: int) -> Iterator[DeadLetter]:
        """Receive until there are no more, or enough; those beyond are let go."""
        count = 0
        while count < limit and (batch := self.letters.dead_letters(model)):
            taken = batch[: limit - count]
            self.letters.release_dead_letters(model, batch[len(taken) :])
            count += len(taken)
            yield from taken

    def _redrive(self, model: str, letter: DeadLetter) -> Redriven:
        before = self.store.find(letter.request_id)
        row = None if before is None else self._requeued(before)
        fate: Fate = "expired" if row is None else row.status
        name = letter.request_id if before is None else before.name
        redriven = Redriven(name, fate, reason(letter, before))
        if redriven.fate == "running":
            return redriven
        if row is not None and row.open:
            self.queue.send(model, row.id)
            self.waker.wake(row.fleet)
        self.letters.delete_dead_letter(model, letter)
        return redriven

    def _requeued(self, row: AsyncRequest) -> AsyncRequest | None:
        """Queue what has failed; None: it, or what it asked, has expired."""
        if row.status == "failed":
            try:
                renew_asked(self.payloads, row)
            except RequestConflict:
                return None
        return change(self.store, row, self._again)

    def _again(self, row: AsyncRequest) -> AsyncRequest:
        """Queue what has failed; what its caller has cancelled stays so."""
        return lifecycle.retry(row, self.clock()) if row.status == "failed" else row


def reason(letter: DeadLetter, row: AsyncRequest | None) -> str:
    """Say why a request has failed."""
    return (row.error if row is not None else None) or letter.reason


def described(letter: DeadLetter, rows: Mapping[str, AsyncRequest]) -> Dead:
    """Put a letter and its row together."""
    row = rows.get(letter.request_id)
    return Dead(letter.request_id, reason(letter, row), row)
