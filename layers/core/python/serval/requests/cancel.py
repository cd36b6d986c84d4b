"""Cancel: a queued request never runs; the runner of a running one is asked to stop."""

from dataclasses import dataclass

from serval.clock import Clock, utc_now
from serval.errors import RequestNotFound
from serval.requests import lifecycle
from serval.requests.ports import CallbackQueue, RequestStore, change
from serval.requests.request import AsyncRequest
from serval.requests.step_records import StepRecords


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancels requests; workers delete their messages when they receive them."""

    store: RequestStore
    callbacks: CallbackQueue
    records: StepRecords
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
        if after.durable:
            self.cancel_steps(after.id)
        return after

    def cancel_steps(self, request_id: str) -> None:
        """Cancel what the steps of a durable pipeline's request wait for."""
        for record in self.records.read(request_id).values():
            if record.status == "running":
                for each in record.requests:
                    self.cancel_left(each)

    def cancel_left(self, request_id: str) -> None:
        """Cancel a request that nobody waits for any more, if it is still open."""
        current = self.store.find(request_id)
        if current is not None and current.open:
            self.cancel(current)
