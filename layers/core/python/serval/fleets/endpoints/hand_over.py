"""Hand one request over to an endpoint.

Begin an attempt in its row, count the inference in the fleet's row, call the endpoint, record the
hand-over in the row, delete the message. After a crash before the call, the row's short lease ends
and another attempt is made. After a crash behind it, the endpoint may be called again: the
attempt's number tells the outcomes apart, the first one stands and the other is discarded.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from serval.clock import Clock, utc_now
from serval.errors import NotFound
from serval.fleets.control import FleetControl
from serval.fleets.endpoints.attempt import (
    EndpointAttempt,
    begin_attempt,
    envelope,
    record_hand_over,
)
from serval.fleets.endpoints.in_flight import release, reserve
from serval.fleets.endpoints.ports import Endpoints
from serval.fleets.endpoints.routing import Routing
from serval.requests import lifecycle
from serval.requests.end_attempt import EndAttempt
from serval.requests.inbox import Inbox, Message
from serval.requests.ports import RequestStore, change
from serval.requests.request import AsyncRequest

RETRY_SECONDS = 30
"""When to try again after the endpoint could not be called."""
Outcome = Literal["handed over", "no room", "dropped", "later", "closed", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Handles messages about requests of SageMaker fleets."""

    control: FleetControl
    store: RequestStore
    inbox: Inbox
    endpoints: Endpoints
    routing: Routing
    end_attempt: EndAttempt
    clock: Clock = utc_now

    def hand_over(self, message: Message, fleet: str, window: int) -> Outcome:
        """Hand over a message's request, if it should run and the endpoint has room."""
        row = self.store.find(message.request_id)
        if row is None or row.model != message.model:
            return self._drop(message)
        match lifecycle.action_for(row, self.clock()):
            case "run":
                return self._begin(message, row, fleet, window)
            case "later":
                return self._leave(message, row)
            case "cancelled":
                return self._close(message, self.end_attempt.cancel_unbegun(row))
            case "exhausted":
                return self._close(message, self.end_attempt.exhaust(row))
        return self._drop(message)

    def _begin(self, message: Message, row: AsyncRequest, fleet: str, window: int) -> Outcome:
        try:
            version = self.routing.version_for(row)
        except NotFound as error:
            return self._close(message, self.end_attempt.refuse(row, str(error)))
        after = begin_attempt(row, version, self.clock())
        if not self.store.save(row, after):
            return "lost"
        row = replace(after, revision=row.revision + 1)
        if not reserve(self.control, fleet, EndpointAttempt.of_row(row), window):
            self._take_back(message, row, seconds=0)
            return "no room"
        self._submit(message, row, fleet)
        self.inbox.delete([message])
        return "handed over"

    def _submit(self, message: Message, row: AsyncRequest, fleet: str) -> None:
        inference = EndpointAttempt.of_row(row)
        payload = row.payload if row.payload is not None else row.payload_key or ""
        try:
            taken = self.endpoints.submit(fleet, inference.id, payload, envelope(row))
        except Exception:
            # The endpoint may have accepted it all the same; its outcome is then discarded.
            release(self.control, fleet, {inference.id})
            self._take_back(message, row, seconds=RETRY_SECONDS)
            raise
        change(
            self.store,
            row,
            lambda now: record_hand_over(now, taken, self.clock()) if inference.runs(now) else None,
        )

    def _take_back(self, message: Message, row: AsyncRequest, *, seconds: int) -> None:
        """Queue a request again that was not handed over, without charging the attempt."""
        inference = EndpointAttempt.of_row(row)
        change(
            self.store,
            row,
            lambda now: lifecycle.give_back(now, self.clock()) if inference.runs(now) else None,
        )
        self.inbox.hide([message], seconds)

    def _leave(self, message: Message, row: AsyncRequest) -> Outcome:
        """Delete the message if an endpoint has its request; else hide it until the lease ends."""
        if row.output_key is not None:
            return self._drop(message)
        until = datetime.fromisoformat(row.lease_until or row.updated)
        left = (until - self.clock()).total_seconds()
        self.inbox.hide([message], max(1, math.ceil(left)))
        return "later"

    def _close(self, message: Message, closed: bool) -> Outcome:
        if not closed:
            return "lost"
        self.inbox.delete([message])
        return "closed"

    def _drop(self, message: Message) -> Outcome:
        self.inbox.delete([message])
        return "dropped"
