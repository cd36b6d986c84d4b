"""``POST /v2/models/{model}[/versions/{version}]/infer`` of a model on a fleet.

The protocol's own answer, 200 or an error: an async request is made and waited for. What takes
longer goes on, and is named in the error.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from serval.errors import (
    InvalidInputs,
    RequestCancelled,
    RequestFailed,
    ServalError,
    StillWaiting,
)
from serval.http.aws_failures import aws_failures_as_ours
from serval.http.bodies import sent_body
from serval.http.dispatch import Event, Reply
from serval.http.inference_reply import inference_reply
from serval.http.replies import error_reply
from serval.protocol.limits import MOST, RequestLimits
from serval.requests.access import Access, Allowance
from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest
from serval.requests.submission import Submission
from serval.requests.submit import Submit
from serval.requests.wait import Wait

WAIT_SECONDS = 25.0
"""The gateway gives up after 30 s; what is left is for submitting, and for fetching the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitEndpoint:
    """Everything that answering an inference event of a fleet model takes."""

    access: Access
    allowance: Allowance
    submitting: Submit
    waiting: Wait
    payloads: Payloads
    log: Callable[[str], object]
    limits: RequestLimits = MOST
    clock: Callable[[], float] = time.monotonic

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway, payload format 2.0."""
        begun = self.clock()
        headers = {name.lower(): value for name, value in event["headers"].items()}
        try:
            with aws_failures_as_ours():
                request = self._submit(event, headers)
                left = WAIT_SECONDS - (self.clock() - begun)
                request = self.waiting.until_closed(request, left)
                if request.open:
                    raise StillWaiting(request.model, request.id, self.clock() - begun)
                return self._answer(request, headers.get("accept-encoding", ""))
        except ServalError as error:
            return error_reply(error, self.log, event, self.access.admission.authenticator)

    def _submit(self, event: Event, headers: dict[str, str]) -> AsyncRequest:
        parameters = event.get("pathParameters") or {}
        # The routes of fleet models spell their names out.
        model = parameters.get("model") or event["routeKey"].split("/")[3]
        caller, route = self.access.admit(headers, model)
        self.allowance.take(caller)
        body = sent_body(event, headers, self.limits)
        asked = Submission(
            model=model,
            version=parameters.get("version") or headers.get("serval-model-version"),
            payload=body.content,
            header_length=body.header_length,
            affinity=headers.get("serval-affinity", ""),
        )
        return self.submitting.submit(asked, caller, route)

    def _answer(self, request: AsyncRequest, accept_encoding: str) -> Reply:
        if request.status == "cancelled":
            raise RequestCancelled(request.id)
        if request.refused:
            raise InvalidInputs(request.error or "")
        if request.status == "failed":
            raise RequestFailed(request.id, request.error or "no reason was given")
        result = self.payloads.get(request.response_key or "")
        if result is None:
            raise RequestFailed(request.id, "its result is gone")
        return inference_reply(
            result,
            request.response_header_length,
            {"serval-model-version": request.version or "", "server-timing": timing(request)},
            accept_encoding,
            lambda *_: f"GET /async/requests/{request.id} gives a URL of it",
        )


def timing(request: AsyncRequest) -> str:
    """Say how long a request was queued, and how long its last attempt took, in milliseconds."""
    created, started, finished = (
        datetime.fromisoformat(moment or request.created)
        for moment in (request.created, request.started, request.finished)
    )
    queued, run = started - created, finished - started
    return (
        f"queue;dur={queued.total_seconds() * 1e3:.0f}, infer;dur={run.total_seconds() * 1e3:.0f}"
    )
