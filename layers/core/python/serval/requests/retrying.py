"""Retrying: a request that failed or was cancelled is queued again, from the start."""

from collections.abc import Callable
from dataclasses import dataclass

from serval.clock import Clock, utc_now
from serval.errors import RequestNotFound
from serval.requests import lifecycle
from serval.requests.ports import RequestStore, change
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class Retrying:
    """Queues requests again."""

    store: RequestStore
    announce: Callable[[AsyncRequest], None]
    """Sends the message about a request, and wakes its fleet."""
    clock: Clock = utc_now

    def retry(self, request: AsyncRequest) -> AsyncRequest:
        """Give the row as it is afterwards; one that is queued already is announced again.

        Raises
        ------
        RequestConflict
            If it runs, or has succeeded.
        RequestNotFound
            If its row has expired meanwhile.
        """
        after = change(self.store, request, lambda row: lifecycle.retry(row, self.clock()))
        if after is None:
            raise RequestNotFound(request.name)
        self.announce(after)
        return after
