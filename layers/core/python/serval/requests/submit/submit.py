"""Submit: write the payload, then the row, send the message, wake the fleet.

A crash between any two loses nothing: the bucket expires a payload without a row; a repeated PUT or
the sweep sends the message of a row again, and wakes the fleet.
"""

from dataclasses import dataclass, replace

from serval.access.api_key import Caller
from serval.clock import Clock, timestamp, utc_now
from serval.errors import RequestConflict, RequestNotFound
from serval.models.route import Route
from serval.models.version import ModelVersion, remove_tag
from serval.requests.ids import new_request_id, row_id
from serval.requests.ports import Payloads, RequestQueue, RequestStore, Waker
from serval.requests.request import (
    INLINE_BYTES,
    AsyncRequest,
    sent_request_key,
)
from serval.requests.submit.checks import SubmissionChecks
from serval.requests.submit.submission import Submission

DECLARED = ("keep_days", "max_attempts")
"""What ``requests`` in a version's ``model.yaml`` sets for each of its requests."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Turns submissions into async requests."""

    checks: SubmissionChecks
    store: RequestStore
    payloads: Payloads
    queue: RequestQueue
    waker: Waker
    clock: Clock = utc_now

    def submit(self, submission: Submission, caller: Caller, route: Route) -> AsyncRequest:
        """Submit a request under a new id."""
        return self._create(
            new_request_id(self.clock(), submission.model), None, submission, caller, route
        )

    def submit_as(
        self, request_id: str, submission: Submission, caller: Caller, route: Route
    ) -> AsyncRequest:
        """Submit a request under an id of ours; return the one that is there, if there is one."""
        return self._create(request_id, None, submission, caller, route)

    def put(
        self, chosen: str, submission: Submission, caller: Caller, route: Route
    ) -> AsyncRequest:
        """Submit a request under the caller's id; a repeated PUT returns the same request.

        Raises
        ------
        RequestConflict
            If something else was submitted under this id.
        """
        found = self._find_existing(chosen, submission.model)
        if found is None:
            return self._create(row_id(submission.model, chosen), chosen, submission, caller, route)
        return self._repeat(found, submission)

    def announce(self, request: AsyncRequest) -> None:
        """Send the message about a request, and wake its fleet."""
        self.queue.send(request.model, request.id)
        self.waker.wake(request.fleet)

    def _find_existing(self, chosen: str, model: str) -> AsyncRequest | None:
        """Find the request that the model has under an id.

        Rows of an earlier Serval have the caller's id as their own, or one without a tag.
        """
        own = row_id(model, chosen)
        rows = self.store.find_all([own, remove_tag(own), chosen])
        earlier = rows.get(chosen)
        if earlier is not None and earlier.name == chosen and earlier.model == model:
            return earlier
        return rows.get(own) or rows.get(remove_tag(own))

    def _create(
        self,
        request_id: str,
        chosen: str | None,
        submission: Submission,
        caller: Caller,
        route: Route,
    ) -> AsyncRequest:
        record = self.checks.find_version(submission.model, route, submission.version)
        fleet = self.checks.find_fleet(record)
        self.checks.check(submission, record, self.payloads)
        row = self._row(request_id, submission, fleet, record, caller)
        request = replace(row, chosen=chosen)
        if isinstance(submission.payload, bytes) and request.payload_key is not None:
            self.payloads.put(request.payload_key, submission.payload)
        if not self.store.create(request):
            found = self.store.find(request_id)
            if found is None:
                raise RequestNotFound(request.name)
            return self._repeat(found, submission)
        self.announce(request)
        return request

    def _repeat(self, found: AsyncRequest, submission: Submission) -> AsyncRequest:
        if found.body_hash != submission.body_hash:
            raise RequestConflict(
                found.name, "something else was submitted under this id: use another id"
            )
        if found.status == "queued":
            self.announce(found)
        return found

    def _row(
        self,
        request_id: str,
        submission: Submission,
        fleet: str,
        record: ModelVersion,
        caller: Caller,
    ) -> AsyncRequest:
        now = timestamp(self.clock())
        body_hash = submission.body_hash
        payload, key = place_payload(request_id, submission, body_hash)
        declared = record.bundle.get("requests", {})
        return AsyncRequest(
            id=request_id,
            model=submission.model,
            fleet=fleet,
            created=now,
            updated=now,
            body_hash=body_hash,
            wanted=submission.version,
            affinity=submission.affinity,
            payload=payload,
            payload_key=key,
            payload_bytes=submission.size_bytes,
            header_length=submission.header_length,
            submitter=caller.key_hash,
            callback_url=submission.callback_url,
            stream=submission.stream,
            **{name: declared[name] for name in DECLARED if name in declared},
        )


def place_payload(
    request_id: str, submission: Submission, body_hash: str
) -> tuple[bytes | None, str | None]:
    """Choose where the payload lies: in the row, or under a key of the data bucket."""
    if not isinstance(submission.payload, bytes):
        return None, submission.payload.key
    if len(submission.payload) <= INLINE_BYTES:
        return submission.payload, None
    return None, sent_request_key(request_id, body_hash)
