"""Complete attempts that an endpoint has ended: close the row, and make room for the next.

Notices come at least once, late, or never. Only the notice of the inference that a row names as its
runner closes the row. Then the inference is no longer counted, and the fleet is dispatched again.
For notices that never come, ``reconcile`` looks for the outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.fleets.control import FleetControl
from serval.fleets.endpoints.attempt import OUTPUT_PREFIX, EndpointAttempt
from serval.fleets.endpoints.in_flight import release
from serval.fleets.endpoints.notices import Notice, read_notices
from serval.fleets.endpoints.results import ResultObjects, failure_text, find_result
from serval.fleets.endpoints.routing import Routing
from serval.models.metrics import InferenceMetrics
from serval.requests.end_attempt import EndAttempt, Result
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest

STALE = "stale: its request is not this attempt's any more, so its outcome is discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Completes attempts of SageMaker fleets."""

    control: FleetControl
    store: RequestStore
    objects: ResultObjects
    end_attempt: EndAttempt
    routing: Routing
    metrics: InferenceMetrics
    bucket: str
    """The data bucket, which endpoints write to."""

    def complete(self, event: Mapping[str, Any]) -> list[dict[str, str]]:
        """Handle the notices in an event of SNS; return the outcome of each."""
        ended = [self._complete(notice) for notice in read_notices(event)]
        self.metrics.flush()
        return ended

    def reconcile(self, row: AsyncRequest) -> str | None:
        """End an attempt whose notice is lost; return None if it has no outcome yet."""
        inference = EndpointAttempt.of_row(row)
        if not inference.runs(row) or row.output_key is None:
            return None
        result = find_result(self.objects, row.output_key)
        if result is not None:
            after = self.end_attempt.succeed(row, inference.runs, row.version or "", result)
        elif row.failure_key is not None and self.objects.find(row.failure_key) is not None:
            reason = failure_text(self.objects, row.failure_key, "it failed at the endpoint")
            after = self.end_attempt.fail(row, inference.runs, reason, refused=False)
        else:
            return None
        self._make_room(row, inference)
        return outcome_of(after)

    def _complete(self, notice: Notice) -> dict[str, str]:
        inference = EndpointAttempt.parse(notice.inference_id)
        row = self.store.find(inference.request_id) if inference else None
        if inference is None or row is None:
            return {"inference": notice.inference_id, "outcome": "stale: there is no such request"}
        if inference.runs(row):
            outcome = self._end(row, inference, notice)
        elif row.attempt == inference.attempt:
            # Its outcome stands, but a crash may have prevented what follows from it.
            self.end_attempt.follow_up(row)
            outcome = f"known: its request is {row.status}"
        else:
            outcome = STALE
        self._make_room(row, inference)
        return {"inference": notice.inference_id, "outcome": outcome}

    def _end(self, row: AsyncRequest, inference: EndpointAttempt, notice: Notice) -> str:
        version = row.version or ""
        track = self.routing.track_of(row)
        result = self._result(notice) if notice.succeeded else None
        if result is not None:
            self.metrics.count_answer(row.model, track, notice.milliseconds)
            return outcome_of(self.end_attempt.succeed(row, inference.runs, version, result))
        if not notice.refused:
            self.metrics.count_failure(row.model, track)
        reason = f"its result is not at {notice.output or 'any place'}"
        if not notice.succeeded:
            reason = failure_text(self.objects, row.failure_key, notice.reason)
        return outcome_of(
            self.end_attempt.fail(row, inference.runs, reason, refused=notice.refused)
        )

    def _result(self, notice: Notice) -> Result | None:
        """Find a result, only where endpoints write."""
        bucket = f"s3://{self.bucket}/"
        if not notice.output.startswith(bucket + OUTPUT_PREFIX):
            return None
        key = notice.output.removeprefix(bucket)
        return find_result(self.objects, key, json_alone=notice.json_alone)

    def _make_room(self, row: AsyncRequest, inference: EndpointAttempt) -> None:
        release(self.control, row.fleet, {inference.id})
        if row.fleet in self.control.fleets.by_name:
            self.control.dispatcher.ask(row.fleet)


def outcome_of(after: AsyncRequest | None) -> str:
    """Describe what became of a request, for the log."""
    if after is None:
        return STALE
    if after.status == "queued":
        return f"to be tried again: {after.error}"
    if after.status == "cancelled":
        return "cancelled: its caller wanted no result, so it is discarded"
    return after.status
