"""``POST /v2/models/{model}[/versions/{version}]/infer`` of a model on a fleet, and its own words.

The reply is the protocol's own, or the task's or handler's, 200 or an error: the function submits
an async request and waits for it. A request that takes longer goes on, and the error names it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from serval.access.admission import Admission, SubmitLimit
from serval.errors import InvalidInputs, RequestCancelled, RequestFailed, StillWaiting
from serval.http.aws_failures import translate_aws_failures
from serval.http.bodies import SentBody, read_sent_body
from serval.http.call import JSON, OWN_WORDS, Event, HttpCall, Log, Reply, reply_to
from serval.http.fleet_words import FleetWords
from serval.http.replies import sized_reply
from serval.models.route import Route
from serval.protocol.limits import MOST, RequestLimits
from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest
from serval.requests.submit.submission import Submission
from serval.requests.submit.submit import Submit
from serval.requests.wait import Wait

WAIT_SECONDS = 25.0
"""The gateway gives up after 30 s; the rest is for submitting and for reading the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitEndpoint:
    """Answers inference calls of fleet models."""

    admission: Admission
    rate_limit: SubmitLimit
    submit: Submit
    wait: Wait
    payloads: Payloads
    log: Log
    limits: RequestLimits = MOST
    clock: Callable[[], float] = time.monotonic

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        return reply_to(event, self._answer, self.log, self.admission.authenticator)

    @translate_aws_failures()
    def _answer(self, call: HttpCall) -> Reply:
        begun = self.clock()
        caller, route = self.admission.admit(call.headers, call.model)
        self.rate_limit.take(caller)
        words = self._read_words(call, route) if call.path.startswith(OWN_WORDS) else None
        body = read_sent_body(call, self.limits) if words is None else words.sent
        request = self.submit.submit(describe_submission(call, body), caller, route)
        request = self.wait.wait(request, WAIT_SECONDS - (self.clock() - begun))
        if request.open:
            raise StillWaiting(request.model, request.id, self.clock() - begun)
        return self._reply_with(request, words, call.headers.get("accept-encoding", ""))

    def _read_words(self, call: HttpCall, route: Route) -> FleetWords:
        record = self.submit.checks.find_version(call.model, route, call.version)
        return FleetWords.read(call, record, self.limits)

    def _reply_with(
        self, request: AsyncRequest, words: FleetWords | None, accept_encoding: str
    ) -> Reply:
        if request.status == "cancelled":
            raise RequestCancelled(request.id)
        if request.refused:
            raise InvalidInputs(request.error or "")
        if request.status == "failed":
            raise RequestFailed(request.id, request.error or "no reason was given")
        result = self.payloads.get(request.response_key or "")
        if result is None:
            raise RequestFailed(request.id, "its result is gone")
        headers = {
            "serval-model-version": request.version or "",
            "server-timing": server_timing(request),
        }
        elsewhere = f"GET /async/requests/{request.id} gives a URL of it"
        length, content_type = request.response_header_length, JSON
        if words is not None:
            result, content_type = words.answer(result, length)
        elif length is not None:
            content_type = "application/octet-stream"
            headers["inference-header-content-length"] = str(length)
        headers["content-type"] = content_type
        return sized_reply(result, headers, accept_encoding, lambda _: elsewhere)


def describe_submission(call: HttpCall, body: SentBody) -> Submission:
    """Describe what a call submits."""
    return Submission(
        model=call.model,
        version=call.version,
        payload=body.content,
        header_length=body.header_length,
        affinity=call.affinity,
    )


def server_timing(request: AsyncRequest) -> str:
    """Write how long a request was queued and its last attempt took, in milliseconds."""
    created, started, finished = (
        datetime.fromisoformat(moment or request.created)
        for moment in (request.created, request.started, request.finished)
    )
    queued, run = started - created, finished - started
    return (
        f"queue;dur={queued.total_seconds() * 1e3:.0f}, infer;dur={run.total_seconds() * 1e3:.0f}"
    )
