"""Cancelling: what is queued never runs; what runs is asked to stop."""

from dataclasses import dataclass

from serval.clock import Clock, utc_now
from serval.errors import RequestNotFound
from serval.requests import lifecycle
from serval.requests.ports import CallbackQueue, RequestStore, change
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancels requests; their messages are deleted by the workers that receive them."""

    store: RequestStore
    callbacks: CallbackQueue
    clock: Clock = utc_now

    def cancel(self, request: AsyncRequest) -> AsyncRequest:
        """Give the row as it is afterwards; cancelling again changes nothing.

        Raises
        ------
        RequestConflict
            If it has finished with a result or an error.
        RequestNotFound
            If its row has expired meanwhile.
        """
        after = change(self.store, request, lambda row: lifecycle.cancel(row, self.clock()))
        if after is None:
            raise RequestNotFound(request.name)
        if after.callback_due:
            self.callbacks.send(after.id, after.submitter)
        return after
