"""Submitting: the payload, then the row, then the message, then the fleet is woken.

A crash between any two loses nothing: a payload without a row is expired by the bucket, a row
without a message is sent again by a repeated PUT or the sweeper, which wakes the fleet too.
"""

from dataclasses import dataclass, replace

from serval.access.api_key import Caller
from serval.clock import Clock, timestamp, utc_now
from serval.errors import RequestConflict, RequestNotFound
from serval.models.route import Route
from serval.models.tag import untagged
from serval.models.version import ModelVersion
from serval.requests.ids import new_request_id, row_id
from serval.requests.ports import Payloads, RequestQueue, RequestStore, Waker
from serval.requests.request import (
    INLINE_BYTES,
    AsyncRequest,
    sent_request_key,
)
from serval.requests.submit.checks import Door
from serval.requests.submit.submission import Submission

DECLARED = ("keep_days", "max_attempts")
"""What a version's ``model.yaml`` says under ``requests`` of each of its requests."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Makes async requests of what callers ask for."""

    door: Door
    store: RequestStore
    payloads: Payloads
    queue: RequestQueue
    waker: Waker
    clock: Clock = utc_now

    def submit(self, asked: Submission, caller: Caller, route: Route) -> AsyncRequest:
        """Make a request with an id of its own."""
        return self._new(new_request_id(self.clock(), asked.model), None, asked, caller, route)

    def put(self, chosen: str, asked: Submission, caller: Caller, route: Route) -> AsyncRequest:
        """Make a request with the caller's id, or give the one that the same PUT has made.

        Raises
        ------
        RequestConflict
            If something else was asked under this id.
        """
        found = self._standing(chosen, asked.model)
        if found is None:
            return self._new(row_id(asked.model, chosen), chosen, asked, caller, route)
        return self._again(found, asked)

    def announce(self, request: AsyncRequest) -> None:
        """Send the message about a request, and wake its fleet."""
        self.queue.send(request.model, request.id)
        self.waker.wake(request.fleet)

    def _standing(self, chosen: str, model: str) -> AsyncRequest | None:
        """Find what the model has under an id; a row of an earlier Serval has it as its own.

        Or it has one that is made of both, without a tag.
        """
        own = row_id(model, chosen)
        rows = self.store.find_all([own, untagged(own), chosen])
        earlier = rows.get(chosen)
        if earlier is not None and earlier.name == chosen and earlier.model == model:
            return earlier
        return rows.get(own) or rows.get(untagged(own))

    def _new(
        self,
        request_id: str,
        chosen: str | None,
        asked: Submission,
        caller: Caller,
        route: Route,
    ) -> AsyncRequest:
        fleet = self.door.fleet(asked.model)
        record = self.door.version(asked.model, route, asked.version)
        self.door.check(asked, record)
        row = self._row(request_id, asked, fleet.name, record, caller)
        request = replace(row, chosen=chosen)
        if isinstance(asked.payload, bytes) and request.payload_key is not None:
            self.payloads.put(request.payload_key, asked.payload)
        if not self.store.create(request):
            found = self.store.find(request_id)
            if found is None:
                raise RequestNotFound(request.name)
            return self._again(found, asked)
        self.announce(request)
        return request

    def _again(self, found: AsyncRequest, asked: Submission) -> AsyncRequest:
        if found.body_hash != asked.body_hash:
            raise RequestConflict(
                found.name, "something else was submitted under this id: use another id"
            )
        if found.status == "queued":
            self.announce(found)
        return found

    def _row(
        self,
        request_id: str,
        asked: Submission,
        fleet: str,
        record: ModelVersion,
        caller: Caller,
    ) -> AsyncRequest:
        now = timestamp(self.clock())
        body_hash = asked.body_hash
        payload, key = placed(request_id, asked, body_hash)
        declared = record.bundle.get("requests", {})
        return AsyncRequest(
            id=request_id,
            model=asked.model,
            fleet=fleet,
            created=now,
            updated=now,
            body_hash=body_hash,
            wanted=asked.version,
            affinity=asked.affinity,
            payload=payload,
            payload_key=key,
            payload_bytes=asked.size_bytes,
            header_length=asked.header_length,
            submitter=caller.key_hash,
            callback_url=asked.callback_url,
            **{name: declared[name] for name in DECLARED if name in declared},
        )


def placed(request_id: str, asked: Submission, body_hash: str) -> tuple[bytes | None, str | None]:
    """Tell what lies in the row, or else under which key of the data bucket."""
    if not isinstance(asked.payload, bytes):
        return None, asked.payload.key
    if len(asked.payload) <= INLINE_BYTES:
        return asked.payload, None
    return None, sent_request_key(request_id, body_hash)
