"""Async requests that there are: status and result, cancel. An event in, a reply out."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from serval.errors import ServalError
from serval.http.async_endpoints import CANCEL, REQUESTS
from serval.http.aws_failures import aws_failures_as_ours
from serval.http.dispatch import Event, Reply, find, path_after_stage
from serval.http.replies import RETRY_SECONDS, error_reply, text_reply
from serval.requests.access import Access
from serval.requests.cancellation import Cancellation
from serval.requests.document import Documents


@dataclass(frozen=True, slots=True)
class RequestsEndpoint:
    """Everything that answering an event about a request takes."""

    access: Access
    cancellation: Cancellation
    documents: Documents
    log: Callable[[str], object]

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway, payload format 2.0."""
        headers = {name.lower(): value for name, value in event["headers"].items()}
        method = event["requestContext"]["http"]["method"]
        try:
            endpoint, names = find(REQUESTS, method, path_after_stage(event))
            with aws_failures_as_ours():
                caller = self.access.caller(headers)
                request = self.access.request(caller, names["id"])
                if endpoint == CANCEL:
                    request = self.cancellation.cancel(request)
                document = self.documents.of(request)
        except ServalError as error:
            return error_reply(error, self.log)
        if not request.open:
            return text_reply(HTTPStatus.OK, document.to_json())
        status = HTTPStatus.ACCEPTED if endpoint == CANCEL else HTTPStatus.OK
        return text_reply(status, document.to_json(), {"retry-after": str(RETRY_SECONDS)})
