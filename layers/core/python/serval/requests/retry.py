"""Retry: queue a failed or cancelled request again, from the start."""

from collections.abc import Callable
from dataclasses import dataclass

from serval.clock import Clock, utc_now
from serval.errors import RequestConflict, RequestNotFound
from serval.requests import lifecycle
from serval.requests.ports import Payloads, RequestStore, change
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class Retry:
    """Retries requests."""

    store: RequestStore
    payloads: Payloads
    announce: Callable[[AsyncRequest], None]
    """Sends the message about a request, and wakes its fleet."""
    clock: Clock = utc_now

    def retry(self, request: AsyncRequest) -> AsyncRequest:
        """Queue a request again and return its row; announce one that is already queued.

        Raises
        ------
        RequestConflict
            If it runs, has succeeded, or its payload has expired.
        RequestNotFound
            If its row has expired since.
        """
        if lifecycle.retry(request, self.clock()) != request:
            renew_payload(self.payloads, request)
        after = change(self.store, request, lambda row: lifecycle.retry(row, self.clock()))
        if after is None:
            raise RequestNotFound(request.name)
        self.announce(after)
        return after


def renew_payload(payloads: Payloads, request: AsyncRequest) -> None:
    """Keep the payload of a request until it has ended again.

    Raises
    ------
    RequestConflict
        If it has expired from the data bucket.
    """
    key = request.payload_key
    if key is not None and not payloads.renew(key):
        raise RequestConflict(
            request.name, "what was asked has expired, so it cannot be retried: submit it again"
        )
