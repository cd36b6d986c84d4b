"""Retrying: a request that failed or was cancelled is queued again, from the start."""

from collections.abc import Callable
from dataclasses import dataclass

from serval.clock import Clock, utc_now
from serval.errors import RequestConflict, RequestNotFound
from serval.requests import lifecycle
from serval.requests.ports import Payloads, RequestStore, change
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class Retry:
    """Queues requests again."""

    store: RequestStore
    payloads: Payloads
    announce: Callable[[AsyncRequest], None]
    """Sends the message about a request, and wakes its fleet."""
    clock: Clock = utc_now

    def retry(self, request: AsyncRequest) -> AsyncRequest:
        """Give the row as it is afterwards; one that is queued already is announced again.

        Raises
        ------
        RequestConflict
            If it runs, or has succeeded, or what was asked has expired.
        RequestNotFound
            If its row has expired meanwhile.
        """
        if lifecycle.retry(request, self.clock()) != request:
            renew_asked(self.payloads, request)
        after = change(self.store, request, lambda row: lifecycle.retry(row, self.clock()))
        if after is None:
            raise RequestNotFound(request.name)
        self.announce(after)
        return after


def renew_asked(payloads: Payloads, request: AsyncRequest) -> None:
    """Keep what was asked until the request has ended again.

    Raises
    ------
    RequestConflict
        If it lay in the data bucket, and has expired.
    """
    key = request.payload_key
    if key is not None and not payloads.renew(key):
        raise RequestConflict(
            request.name, "what was asked has expired, so it cannot be retried: submit it again"
        )
