"""What async requests need of AWS; ``serval.aws`` keeps it in DynamoDB, SQS and S3."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from serval.errors import RegistryUnavailable
from serval.requests.request import AsyncRequest, OpenRequest

CHANGE_ATTEMPTS = 20


class RequestStore(Protocol):
    """The requests table; reads by id see every write made before them."""

    def create(self, request: AsyncRequest) -> bool:
        """Write a new row; False when the id is taken, and nothing is written then."""

    def find(self, request_id: str) -> AsyncRequest | None:
        """Give a row; None if there is none."""

    def find_all(self, request_ids: Sequence[str]) -> Mapping[str, AsyncRequest]:
        """Give the rows that there are, by id."""

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        """Write what changed, with the next revision, if the row still has ``before``'s.

        Returns
        -------
        bool
            False when another writer was first; nothing is written then.
        """

    def open(self) -> Iterator[OpenRequest]:
        """List the open requests of the stage, in no particular order, from the index."""

    def callbacks_due(self, before: str) -> Iterator[str]:
        """Give the ids of requests that closed before a time, and whose callers do not know."""

    def of_model(self, model: str, limit: int) -> Sequence[AsyncRequest]:
        """List a model's requests, newest first, from the index, payloads left out."""


class RequestQueue(Protocol):
    """Where a model's requests wait; the message holds the id alone."""

    def send(self, model: str, request_id: str) -> None:
        """Send a message about a request."""

    def send_all(self, model: str, request_ids: Sequence[str]) -> None:
        """Send many messages."""


class CallbackQueue(Protocol):
    """Where closed requests wait whose callers want to be called back."""

    def send(self, request_id: str, submitter: str | None = None) -> None:
        """Send a message about a closed request; those of one submitter wait for one another."""


class Waker(Protocol):
    """Sees to it that a fleet has machines for what is asked of it."""

    def wake(self, fleet: str) -> None:
        """Wake a fleet that sleeps; one that is awake is left alone."""


class Payloads(Protocol):
    """The data bucket."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""

    def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""

    def find(self, key: str) -> "StoredPayload | None":
        """Look an object up; None if there is none."""

    def renew(self, key: str) -> bool:
        """Keep an object for as long as if it were written now; False if it is gone."""

    def presign_read(self, key: str, header_length: int | None) -> str:
        """Give a URL that reads an object for an hour at most, with the content type of its form.

        S3 sends no ``Inference-Header-Content-Length``: whoever gives the URL tells it too.
        """

    def presign_write(self, key: str, size_bytes: int) -> str:
        """Give a URL that writes an object of exactly this size, for an hour at most."""


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """An object of the data bucket."""

    key: str
    size_bytes: int
    etag: str
    """Changes with the bytes."""


Transition = Callable[[AsyncRequest], AsyncRequest | None]
"""Gives what a row becomes; None: it is to stay as it is."""


def change(
    store: RequestStore, request: AsyncRequest, transition: Transition
) -> AsyncRequest | None:
    """Apply a transition to the row as it is now, whoever else changes it meanwhile.

    Returns
    -------
    AsyncRequest or None
        The row after it; None if the transition left it alone, or the row is gone.

    Raises
    ------
    RegistryUnavailable
        If other writers were first twenty times in a row.
    """
    current: AsyncRequest | None = request
    for _ in range(CHANGE_ATTEMPTS):
        if current is None:
            return None
        after = transition(current)
        if after is None:
            return None
        if after == current:
            return current
        if store.save(current, after):
            return replace(after, revision=current.revision + 1)
        current = store.find(request.id)
    raise RegistryUnavailable(
        f"request {request.id!r}: {CHANGE_ATTEMPTS} changes met another writer"
    )
