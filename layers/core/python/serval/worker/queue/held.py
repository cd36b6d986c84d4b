"""What a worker holds: messages that it has received, and what it knows of their requests."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from serval.errors import ServalError
from serval.models.route import Target, Track
from serval.protocol.request import InferenceRequest
from serval.requests.inbox import Inbox, Message
from serval.requests.request import AsyncRequest
from serval.requests.stream.piece import UNKNOWN, StreamChunk
from serval.worker.program.faults import Retries

Fate = Literal["delete", "leave"] | int
"""What becomes of a message: it is deleted, left to reappear by itself, or hidden for so many
seconds."""
EXTENDED_AT_ONCE = 10
"""Messages in one call of SQS."""


@dataclass(slots=True, eq=False)
class Held:
    """A message and its request, on their way through the worker."""

    message: Message
    since: float
    """When it was received, by the monotonic clock."""
    row: AsyncRequest | None = None
    """The row as it was last read or saved."""
    attempt: int | None = None
    """Number of the attempt that this worker has begun, if any."""
    target: Target | None = None
    """The version that is to answer it."""
    fallback: str | None = None
    """The stable version, which answers what the candidate cannot, if the route chose that."""
    candidate_failure: ServalError | None = None
    """Why the candidate could not answer; the target is the stable version since then."""
    body: bytes | None = None
    request: InferenceRequest | None = None
    """The body as the target reads it."""
    chunks: Sequence[StreamChunk] = ()
    """What earlier attempts have written, if it is a stream."""

    @property
    def known(self) -> AsyncRequest:
        """The row, which must have been read."""
        if self.row is None:
            raise LookupError(f"the row of {self.message.request_id!r} has not been read")
        return self.row

    @property
    def logged(self) -> int:
        """The number of the last piece that earlier attempts have written; 0: none."""
        return self.chunks[-1].last if self.chunks else 0

    @property
    def aim(self) -> Target:
        """The target, which must have been chosen."""
        if self.target is None:
            raise LookupError(f"no version has been chosen for {self.message.request_id!r}")
        return self.target

    @property
    def read(self) -> InferenceRequest:
        """The inference request, which must have been read."""
        if self.request is None:
            raise LookupError(f"the body of {self.message.request_id!r} has not been read")
        return self.request

    @property
    def rows(self) -> int:
        """The rows of a request that has been read, by its first input."""
        shape = self.read.inputs[0].array.shape if self.read.inputs else ()
        return shape[0] if shape else 1

    @property
    def alone(self) -> bool:
        """Whether it runs alone because it was part of a run that crashed or failed."""
        row = self.known
        return row.alone or (row.status == "running" and not self.begun)

    @property
    def writer(self) -> str | None:
        """The version that has begun its text; None while nothing of it is written."""
        for chunk in self.chunks:
            if any(piece.id != UNKNOWN or piece.text for piece in chunk.pieces):
                return chunk.version
        return None

    @property
    def begun(self) -> bool:
        """Whether this worker runs it, or is about to."""
        return self.attempt is not None

    def turn_to_stable(self, failure: ServalError) -> None:
        """Make the stable version the target, since the candidate has failed.

        Raises
        ------
        ServalError
            The failure itself, if the route did not choose its candidate.
        """
        if self.fallback is None:
            raise failure
        self.target, self.fallback = Target(self.fallback, "stable"), None
        self.candidate_failure, self.request = failure, None


@dataclass(slots=True)
class Holdings:
    """Everything that one worker holds.

    A lock keeps heartbeats from hiding a message again after it was settled.
    """

    inbox: Inbox
    retries: Retries
    _held: set[Held] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        """Count the messages."""
        return len(self._held)

    def add(self, held: Iterable[Held]) -> None:
        """Add messages that were received."""
        with self._lock:
            self._held.update(held)

    def all(self) -> list[Held]:
        """List what is held."""
        with self._lock:
            return list(self._held)

    def list_begun(self) -> list[Held]:
        """List what this worker runs, or is about to."""
        return [one for one in self.all() if one.begun]

    def count_streams(self, model: str) -> int:
        """Count everything that is held of a model, if any of it is a stream."""
        own = [one for one in self.all() if one.message.model == model]
        return len(own) if any(one.row is not None and one.row.stream for one in own) else 0

    def hide(self, seconds: int) -> None:
        """Hide everything that is held from other receivers, for so many seconds from now."""
        listed = self.all()
        for first in range(0, len(listed), EXTENDED_AT_ONCE):
            with self._lock:
                still = [
                    one for one in listed[first : first + EXTENDED_AT_ONCE] if one in self._held
                ]
                self.inbox.hide([one.message for one in still], seconds)

    def pass_on(self, one: Held, track: Track) -> Fate:
        """Send a message to a track's queue, unless it came from there; return its fate here.

        After a crash in between it is there twice: the row decides whose attempt counts.
        """
        if one.message.track == track:
            return 0
        self.inbox.send(one.message.model, one.message.request_id, track)
        return "delete"

    def settle(self, fates: Iterable[tuple[Held, Fate]]) -> None:
        """Settle messages, each with its fate; those that were settled before stay as they are."""
        by_fate: defaultdict[Fate, list[Message]] = defaultdict(list)
        with self._lock:
            for one, fate in fates:
                if one in self._held:
                    self._held.remove(one)
                    by_fate[fate].append(one.message)
        self._apply(by_fate.pop("delete", ()), by_fate)

    def _apply(self, deleted: Sequence[Message], rest: dict[Fate, list[Message]]) -> None:
        """Delete and hide messages; a failure only makes them come again, or later."""
        if deleted:
            self.retries.attempt("deleting messages", lambda: self.inbox.delete(deleted))
        for fate, messages in rest.items():
            if isinstance(fate, int):
                give_back = partial(self.inbox.hide, messages, fate)
                self.retries.attempt("giving messages back", give_back)


@dataclass(slots=True)
class WaitingMessages:
    """A worker's buffer of messages by model, oldest first; ``changed`` guards it."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    _by_model: defaultdict[str, deque[Held]] = field(default_factory=lambda: defaultdict(deque))

    def count(self, model: str) -> int:
        """Count a model's messages."""
        return len(self._by_model[model])

    def oldest(self, model: str) -> float:
        """Return when a model's first message was received; there must be one."""
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
        """Put messages back that were not begun; they are taken first the next time."""
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
