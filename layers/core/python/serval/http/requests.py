"""Async requests that there are: list, status and result, cancel. An event in, a reply out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from serval.errors import ServalError
from serval.http.async_endpoints import CANCEL, LIST, REQUESTS
from serval.http.aws_failures import aws_failures_as_ours
from serval.http.dispatch import Event, Names, Reply, find, path_after_stage
from serval.http.query import choice, count, moment, text
from serval.http.replies import RETRY_SECONDS, error_reply, text_reply
from serval.requests.access import Access
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.list_requests import LISTED, MOST_LISTED, Filters, ListRequests
from serval.requests.request import STATUSES


@dataclass(frozen=True, slots=True)
class RequestsEndpoint:
    """Everything that answering an event about requests takes."""

    access: Access
    listing: ListRequests
    cancellation: Cancel
    documents: Documents
    log: Callable[[str], object]

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway, payload format 2.0."""
        headers = {name.lower(): value for name, value in event["headers"].items()}
        method = event["requestContext"]["http"]["method"]
        try:
            endpoint, names = find(REQUESTS, method, path_after_stage(event))
            with aws_failures_as_ours():
                if endpoint == LIST:
                    return self._list(event, headers)
                caller = self.access.caller(headers)
                request = self.access.request(caller, names["id"], text(event, "model"))
                if endpoint == CANCEL:
                    request = self.cancellation.cancel(request)
                document = self.documents.of(request)
        except ServalError as error:
            return error_reply(error, self.log, event, self.access.admission.authenticator)
        if not request.open:
            return text_reply(HTTPStatus.OK, document.to_json())
        status = HTTPStatus.ACCEPTED if endpoint == CANCEL else HTTPStatus.OK
        return text_reply(status, document.to_json(), {"retry-after": str(RETRY_SECONDS)})

    def _list(self, event: Event, headers: Names) -> Reply:
        model = text(event, "model")
        if model is None:
            caller = self.access.caller(headers)
        else:
            caller, _ = self.access.admit(headers, model)
        filters = Filters(
            status=choice(event, "status", STATUSES),
            since=moment(event, "since"),
            before=moment(event, "before"),
        )
        limit = count(event, "limit", MOST_LISTED, LISTED)
        page = self.listing.page(caller, model, filters, text(event, "cursor"), limit)
        return text_reply(HTTPStatus.OK, json.dumps(page))
