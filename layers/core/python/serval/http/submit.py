"""``/async/…``: submit async requests, upload their bodies, retry them; SageMaker's too."""

import json
import secrets
from dataclasses import dataclass
from http import HTTPStatus

from serval.access.admission import Admission, SubmitLimit
from serval.errors import InvalidParameter, MalformedBody
from serval.http.aws_failures import translate_aws_failures
from serval.http.bodies import read_json_body, read_sent_body
from serval.http.call import RETRY_SECONDS, Event, HttpCall, Log, Reply, reply_to, text_reply
from serval.http.dispatch import find_endpoint
from serval.http.endpoints import FUNCTIONS, INVOKE_ASYNC, PUT_REQUEST, SUBMIT, UPLOAD
from serval.http.location import location
from serval.http.parameters import read_flag, wait_seconds
from serval.http.protocols.invocations import read_invocation, request_of
from serval.http.refusals import refuse_by_path
from serval.protocol.limits import MOST, RequestLimits
from serval.requests.access import RequestAccess
from serval.requests.document import Documents
from serval.requests.ids import check_request_id
from serval.requests.invocation import OutputPlace
from serval.requests.request import AsyncRequest
from serval.requests.retry import Retry
from serval.requests.submit.put_request import PutRequest, read_put_request
from serval.requests.submit.submission import CallbackUrls, Submission
from serval.requests.submit.submit import Submit
from serval.requests.submit.uploads import RequestUploads
from serval.requests.wait import Wait

INFERENCE_ID = "x-amzn-sagemaker-inference-id"
MOST_ID_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitEndpoint:
    """Answers calls that submit async requests."""

    admission: Admission
    access: RequestAccess
    rate_limit: SubmitLimit
    callback_urls: CallbackUrls
    submit: Submit
    retry: Retry
    uploads: RequestUploads
    wait: Wait
    documents: Documents
    log: Log
    data_bucket: str = ""
    """Where calls of SageMaker's asynchronous inference have their inputs and outputs."""
    limits: RequestLimits = MOST

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        return reply_to(event, self._answer, self.log, self.admission.authenticator, refuse_by_path)

    @translate_aws_failures()
    def _answer(self, call: HttpCall) -> Reply:
        endpoint, call = find_endpoint(FUNCTIONS["submit"], call)
        if endpoint in SUBMIT:
            return self._submit(call)
        if endpoint in UPLOAD:
            return self._begin_upload(call)
        if endpoint == INVOKE_ASYNC:
            return self._invoke(call)
        return self._put(call) if endpoint == PUT_REQUEST else self._retry(call)

    def _submit(self, call: HttpCall) -> Reply:
        caller, route = self.admission.admit(call.headers, call.model)
        self.rate_limit.take(caller)
        body = read_sent_body(call, self.limits)
        url = call.headers.get("serval-callback-url")
        submission = Submission(
            model=call.model,
            version=call.version,
            payload=body.content,
            header_length=body.header_length,
            callback_url=self.callback_urls.check(url, caller),
            affinity=call.affinity,
            stream=read_flag(call, "stream"),
        )
        return self._reply_with(call, self.submit.submit(submission, caller, route))

    def _invoke(self, call: HttpCall) -> Reply:
        """Submit a call of SageMaker's asynchronous inference, whose answer goes to S3."""
        caller, route = self.admission.admit(call.headers, call.model)
        self.rate_limit.take(caller)
        inference_id = check_inference_id(call.headers.get(INFERENCE_ID) or secrets.token_hex(16))
        record = self.submit.checks.find_version(call.model, route, call.version)
        payloads = self.submit.payloads
        invocation = read_invocation(call, call.model, self.data_bucket, payloads)
        body = request_of(record, invocation)
        place = OutputPlace.of_call(self.data_bucket, call.model, secrets.token_hex(16))
        payloads.put(place.call_key, invocation.to_bytes())
        submission = Submission(
            model=call.model,
            version=call.version,
            payload=body.content,
            header_length=body.header_length,
            callback_url=place.output_url,
            affinity=call.affinity,
        )
        request = self.submit.submit(submission, caller, route)
        headers = {
            "x-amzn-sagemaker-outputlocation": place.output_url,
            "x-amzn-sagemaker-failurelocation": place.failure_url,
            "serval-request-id": request.id,
        }
        return text_reply(HTTPStatus.ACCEPTED, json.dumps({"InferenceId": inference_id}), headers)

    def _put(self, call: HttpCall) -> Reply:
        request_id = call.names["id"]
        caller = self.admission.authenticate(call.headers)
        self.rate_limit.take(caller)
        content = read_sent_body(call, self.limits).content
        body = read_put_request(content, self.limits.json_bytes)
        route = self.admission.find_route(caller, body.model)
        check_request_id(request_id)
        submission = Submission(
            model=body.model,
            version=body.version,
            payload=body.request or self.uploads.find(caller, body.model, request_id),
            header_length=body.header_length,
            callback_url=self.callback_urls.check(body.callback_url, caller),
            affinity=call.affinity,
            stream=read_flag(call, "stream"),
        )
        check_header_length(body, submission)
        return self._reply_with(call, self.submit.put(request_id, submission, caller, route))

    def _begin_upload(self, call: HttpCall) -> Reply:
        caller, route = self.admission.admit(call.headers, call.model)
        self.rate_limit.take(caller)
        size_bytes = read_upload_size(call)
        upload = self.uploads.begin(caller, call.model, route, call.version, size_bytes)
        return text_reply(HTTPStatus.CREATED, json.dumps(upload))

    def _retry(self, call: HttpCall) -> Reply:
        caller = self.admission.authenticate(call.headers)
        request = self.access.find(caller, call.names["id"], call.query.get("model"))
        self.rate_limit.take(caller)
        return self._reply_with(call, self.retry.retry(request))

    def _reply_with(self, call: HttpCall, request: AsyncRequest) -> Reply:
        """Reply with a request's document, after the wait that the caller prefers."""
        seconds = wait_seconds(call)
        request = self.wait.wait(request, seconds)
        headers = {"location": location(call, request_path(request))}
        if seconds:
            headers["preference-applied"] = f"wait={seconds}"
        status = HTTPStatus.ACCEPTED if request.open else HTTPStatus.OK
        if request.open:
            headers["retry-after"] = str(RETRY_SECONDS)
        return text_reply(status, self.documents.describe(request).to_json(), headers)


def check_inference_id(inference_id: str) -> str:
    """Return the caller's name of an invocation, or raise ``InvalidParameter``."""
    if len(inference_id) > MOST_ID_CHARACTERS:
        raise InvalidParameter(
            INFERENCE_ID, inference_id, f"at most {MOST_ID_CHARACTERS} characters"
        )
    return inference_id


def request_path(request: AsyncRequest) -> str:
    """Return the path of a request; an id that its caller chose needs the model beside it."""
    path = f"async/requests/{request.name}"
    return path if request.chosen is None else f"{path}?model={request.model}"


def check_header_length(body: PutRequest, submission: Submission) -> None:
    """Refuse a JSON part that is longer than the upload that contains it."""
    if body.header_length is not None and body.header_length > submission.size_bytes:
        raise InvalidParameter(
            "inference_header_content_length",
            body.header_length,
            f"at most the upload's {submission.size_bytes} bytes",
        )


def read_upload_size(call: HttpCall) -> object:
    """Read ``{"size_bytes": n}``."""
    document = read_json_body(call)
    if not isinstance(document, dict) or "size_bytes" not in document:
        raise MalformedBody('the body needs {"size_bytes": …}: how long the upload will be')
    size_bytes: object = document["size_bytes"]
    return size_bytes
