"""Cancel: a queued request never runs; the runner of a running one is asked to stop."""

from dataclasses import dataclass

from serval.clock import Clock, utc_now
from serval.errors import RequestNotFound
from serval.requests import lifecycle
from serval.requests.ports import CallbackQueue, RequestStore, change
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancels requests; workers delete their messages when they receive them."""

    store: RequestStore
    callbacks: CallbackQueue
    clock: Clock = utc_now

    def cancel(self, request: AsyncRequest) -> AsyncRequest:
        """Cancel a request and return its row; cancelling again changes nothing.

        Raises
        ------
        RequestConflict
            If it has finished with a result or an error.
        RequestNotFound
            If its row has expired since.
        """
        after = change(self.store, request, lambda row: lifecycle.cancel(row, self.clock()))
        if after is None:
            raise RequestNotFound(request.name)
        if after.callback_due:
            self.callbacks.send(after.id, after.submitter)
        return after

    def cancel_left(self, request_id: str) -> None:
        """Cancel a request that its reader has left, if it is still open."""
        current = self.store.find(request_id)
        if current is not None and current.open:
            self.cancel(current)
