"""Submitting async requests: an event in, a reply out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from serval.errors import InvalidParameter, MalformedBody, ServalError
from serval.http.async_endpoints import INFER, PUT, SUBMIT, UPLOADS
from serval.http.aws_failures import aws_failures_as_ours
from serval.http.bodies import json_body, sent_body
from serval.http.dispatch import Endpoint, Event, Names, Reply, find, path_after_stage
from serval.http.query import location, text, wait_seconds
from serval.http.replies import RETRY_SECONDS, error_reply, text_reply
from serval.protocol.limits import MOST, RequestLimits
from serval.requests.access import Access, Allowance
from serval.requests.document import Documents
from serval.requests.identifiers import checked_id
from serval.requests.put_body import PutBody, read_put_body
from serval.requests.request import AsyncRequest
from serval.requests.retry import Retry
from serval.requests.submission import CallbackUrls, Submission
from serval.requests.submit import Submit
from serval.requests.uploads import RequestUploads
from serval.requests.wait import Wait


@dataclass(frozen=True, slots=True)
class Call:
    """One event, read as far as every endpoint needs it."""

    event: Event
    headers: Names
    names: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitEndpoint:
    """Everything that answering an event of a submit takes."""

    access: Access
    allowance: Allowance
    callback_urls: CallbackUrls
    submitting: Submit
    retrying: Retry
    uploads: RequestUploads
    waiting: Wait
    documents: Documents
    log: Callable[[str], object]
    limits: RequestLimits = MOST

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway, payload format 2.0."""
        headers = {name.lower(): value for name, value in event["headers"].items()}
        method = event["requestContext"]["http"]["method"]
        try:
            endpoint, names = find(SUBMIT, method, path_after_stage(event))
            with aws_failures_as_ours():
                return self._answer(endpoint, Call(event, headers, names))
        except ServalError as error:
            return error_reply(error, self.log, event, self.access.admission.authenticator)

    def _answer(self, endpoint: Endpoint, call: Call) -> Reply:
        if endpoint in INFER:
            return self._submit(call)
        if endpoint in UPLOADS:
            return self._upload(call)
        return self._put(call) if endpoint == PUT else self._retry(call)

    def _submit(self, call: Call) -> Reply:
        model, headers = call.names["model"], call.headers
        caller, route = self.access.admit(headers, model)
        self.allowance.take(caller)
        body = sent_body(call.event, headers, self.limits)
        asked = Submission(
            model=model,
            version=call.names.get("version") or headers.get("serval-model-version"),
            payload=body.content,
            header_length=body.header_length,
            callback_url=self.callback_urls.check(headers.get("serval-callback-url"), caller),
            affinity=headers.get("serval-affinity", ""),
        )
        return self._submitted(call, self.submitting.submit(asked, caller, route))

    def _put(self, call: Call) -> Reply:
        request_id, headers = call.names["id"], call.headers
        self.allowance.take(self.access.caller(headers))
        sent = sent_body(call.event, headers, self.limits).content
        body = read_put_body(sent, self.limits.json_bytes)
        caller, route = self.access.admit(headers, body.model)
        checked_id(request_id)
        payload = body.request or self.uploads.find(caller, body.model, request_id)
        asked = Submission(
            model=body.model,
            version=body.version,
            payload=payload,
            header_length=body.header_length,
            callback_url=self.callback_urls.check(body.callback_url, caller),
            affinity=headers.get("serval-affinity", ""),
        )
        fits(body, asked)
        return self._submitted(call, self.submitting.put(request_id, asked, caller, route))

    def _submitted(self, call: Call, request: AsyncRequest) -> Reply:
        """Answer with what there is, after the wait that the caller prefers."""
        seconds = wait_seconds(call.headers.get("prefer", ""))
        request = self.waiting.until_closed(request, seconds)
        headers = {"location": location(call.event, path_of(request))}
        if seconds:
            headers["preference-applied"] = f"wait={seconds}"
        status = HTTPStatus.ACCEPTED if request.open else HTTPStatus.OK
        if request.open:
            headers["retry-after"] = str(RETRY_SECONDS)
        return text_reply(status, self.documents.of(request).to_json(), headers)

    def _upload(self, call: Call) -> Reply:
        model, headers = call.names["model"], call.headers
        caller, route = self.access.admit(headers, model)
        wanted = call.names.get("version") or headers.get("serval-model-version")
        self.allowance.take(caller)
        size_bytes = upload_size(json_body(call.event, headers))
        begun = self.uploads.begin(caller, model, route, wanted, size_bytes)
        return text_reply(HTTPStatus.CREATED, json.dumps(begun))

    def _retry(self, call: Call) -> Reply:
        caller = self.access.caller(call.headers)
        request = self.access.request(caller, call.names["id"], text(call.event, "model"))
        self.allowance.take(caller)
        return self._submitted(call, self.retrying.retry(request))


def path_of(request: AsyncRequest) -> str:
    """Give the path of a request; ids that callers chose are one model's, which it names."""
    path = f"async/requests/{request.name}"
    return path if request.chosen is None else f"{path}?model={request.model}"


def fits(body: PutBody, asked: Submission) -> None:
    """Refuse a JSON part that is longer than the upload that it is a part of."""
    if body.header_length is not None and body.header_length > asked.size_bytes:
        raise InvalidParameter(
            "inference_header_content_length",
            body.header_length,
            f"at most the upload's {asked.size_bytes} bytes",
        )


def upload_size(document: object) -> object:
    """Read ``{"size_bytes": n}``."""
    if not isinstance(document, dict) or "size_bytes" not in document:
        raise MalformedBody('the body needs {"size_bytes": …}: how long the upload will be')
    size_bytes: object = document["size_bytes"]
    return size_bytes
