"""Handing one request over to an endpoint.

Its row says that an attempt has begun; the inference is counted in the fleet's row; the endpoint is
called; the row says that the endpoint has it; the message is deleted. A crash before the endpoint
is called leaves a row whose short lease ends, and then the attempt is made again. A crash after it
may have the endpoint called again: what comes of the first call is known by its attempt's number,
and stands if it comes first, else it is discarded.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from serval.clock import Clock, utc_now
from serval.errors import NotFound
from serval.fleets.control import FleetControl
from serval.fleets.endpoints.attempt import EndpointAttempt, begun, envelope, handed_over
from serval.fleets.endpoints.in_flight import release, reserve
from serval.fleets.endpoints.ports import Endpoints
from serval.fleets.endpoints.routing import Routing
from serval.requests import lifecycle
from serval.requests.end_attempt import EndAttempt
from serval.requests.inbox import Inbox, Message
from serval.requests.ports import RequestStore, change
from serval.requests.request import AsyncRequest

RETRY_SECONDS = 30
"""When a request is tried again that the endpoint could not be given."""
Outcome = Literal["handed over", "no room", "dropped", "later", "closed", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Deals with messages about the requests of SageMaker fleets."""

    control: FleetControl
    store: RequestStore
    inbox: Inbox
    endpoints: Endpoints
    routing: Routing
    end_attempt: EndAttempt
    clock: Clock = utc_now

    def deal_with(self, message: Message, fleet: str, window: int) -> Outcome:
        """Hand a message's request over, if it is to be run and the endpoint has room for it."""
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
        after = begun(row, version, self.clock())
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
            # It may have been taken all the same: what comes of it is discarded then.
            release(self.control, fleet, {inference.id})
            self._take_back(message, row, seconds=RETRY_SECONDS)
            raise
        change(
            self.store,
            row,
            lambda now: handed_over(now, taken, self.clock()) if inference.runs(now) else None,
        )

    def _take_back(self, message: Message, row: AsyncRequest, *, seconds: int) -> None:
        """Queue a request again that the endpoint was not given; that attempt is not charged."""
        inference = EndpointAttempt.of_row(row)
        change(
            self.store,
            row,
            lambda now: lifecycle.give_back(now, self.clock()) if inference.runs(now) else None,
        )
        self.inbox.hide([message], seconds)

    def _leave(self, message: Message, row: AsyncRequest) -> Outcome:
        """Let a message go whose request an endpoint has; else look again when the lease ends."""
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
