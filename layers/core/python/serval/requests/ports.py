"""Ports of async requests: the table, the queues and the data bucket."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from serval.errors import RegistryUnavailable
from serval.requests.request import AsyncRequest, OpenRequest

CHANGE_ATTEMPTS = 20


class RequestStore(Protocol):
    """The requests table; reads by id see every write made before them."""

    def create(self, request: AsyncRequest) -> bool:
        """Write a new row; False if the id is taken."""

    def find(self, request_id: str) -> AsyncRequest | None:
        """Read a row; None if there is none."""

    def find_all(self, request_ids: Sequence[str]) -> Mapping[str, AsyncRequest]:
        """Read the rows that exist, by id."""

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        """Write the changes and the next revision, if the row still has the revision of ``before``.

        Returns
        -------
        bool
            False if another writer was first; nothing is written then.
        """

    def open(self) -> Iterator[OpenRequest]:
        """List the open requests of the stage from the index, in no particular order."""

    def callbacks_due(self, before: str) -> Iterator[str]:
        """List the ids of requests that closed before a time and still owe a callback."""

    def of_model(self, model: str, limit: int) -> Sequence[AsyncRequest]:
        """List a model's requests from the index, newest first, without payloads."""


class RequestQueue(Protocol):
    """Queues of models; a message holds only the request's id."""

    def send(self, model: str, request_id: str) -> None:
        """Send a message about a request."""

    def send_all(self, model: str, request_ids: Sequence[str]) -> None:
        """Send many messages."""


class CallbackQueue(Protocol):
    """The queue of closed requests whose callers want a callback."""

    def send(self, request_id: str, submitter: str | None = None) -> None:
        """Send a message about a closed request; messages of one submitter wait for each other."""


class WaitingTasks(Protocol):
    """Tasks of state machines that wait for requests to end."""

    def end(self, token: str) -> None:
        """End a task, if anybody still waits for it."""


class Waker(Protocol):
    """Wakes fleets."""

    def wake(self, fleet: str) -> None:
        """Wake a fleet if it sleeps."""


class Payloads(Protocol):
    """The data bucket."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""

    def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""

    def beginning(self, key: str, size_bytes: int) -> bytes:
        """Read an object's first bytes, fewer if it has fewer."""

    def find(self, key: str) -> "StoredPayload | None":
        """Read an object's size and ETag; None if there is none."""

    def renew(self, key: str) -> bool:
        """Start an object's days again; False if it is gone."""

    def presign_read(self, key: str, header_length: int | None) -> str:
        """Presign a read, for an hour at most, with the content type of the object's form.

        S3 sends no ``Inference-Header-Content-Length``, so callers get it beside the URL.
        """

    def presign_write(self, key: str, size_bytes: int) -> str:
        """Presign a write of exactly this size, for an hour at most."""


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """An object of the data bucket."""

    key: str
    size_bytes: int
    etag: str
    """Changes with the bytes."""


Transition = Callable[[AsyncRequest], AsyncRequest | None]
"""Computes the next row; None leaves the row as it is."""


def change(
    store: RequestStore, request: AsyncRequest, transition: Transition
) -> AsyncRequest | None:
    """Apply a transition to the current row, again if another writer was first.

    Returns
    -------
    AsyncRequest or None
        The new row; None if the transition returned None or the row is gone.

    Raises
    ------
    RegistryUnavailable
        If other writers were first twenty times.
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
