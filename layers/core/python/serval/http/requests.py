"""``/async/requests``: list async requests, read one with its result, cancel it."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from serval.access.admission import NO_MODEL, Admission
from serval.http.aws_failures import translate_aws_failures
from serval.http.call import RETRY_SECONDS, Event, HttpCall, Log, Reply, reply_to, text_reply
from serval.http.dispatch import find_endpoint
from serval.http.endpoints import CANCEL_REQUEST, FUNCTIONS, GET_EVENTS, LIST_REQUESTS
from serval.http.events import RequestEvents
from serval.http.parameters import read_choice, read_count, read_time
from serval.http.protocols.redirect import StreamRedirect
from serval.requests.access import RequestAccess
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.list_requests import LISTED, MOST_LISTED, Filters, ListRequests
from serval.requests.request import STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsEndpoint:
    """Answers calls about async requests that exist."""

    admission: Admission
    access: RequestAccess
    list_requests: ListRequests
    cancel: Cancel
    documents: Documents
    events: RequestEvents
    redirect: StreamRedirect | None = None
    """Where events come as they are written, for those who ask to be sent there."""
    log: Log

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        return reply_to(event, self._answer, self.log, self.admission.authenticator)

    @translate_aws_failures()
    def _answer(self, call: HttpCall) -> Reply:
        endpoint, call = find_endpoint(FUNCTIONS["requests"], call)
        if endpoint == LIST_REQUESTS:
            return self._list(call)
        if endpoint == GET_EVENTS:
            return self._events(call)
        caller = self.admission.authenticate(call.headers)
        request = self.access.find(caller, call.names["id"], call.query.get("model"))
        if endpoint == CANCEL_REQUEST:
            request = self.cancel.cancel(request)
        document = self.documents.describe(request).to_json()
        if not request.open:
            return text_reply(HTTPStatus.OK, document)
        status = HTTPStatus.ACCEPTED if endpoint == CANCEL_REQUEST else HTTPStatus.OK
        return text_reply(status, document, {"retry-after": str(RETRY_SECONDS)})

    def _events(self, call: HttpCall) -> Reply:
        if self.redirect is None or call.query.get("follow") != "true":
            return self.events.reply(call)
        return self.redirect.reply(call, self.admission.authenticate(call.headers))

    def _list(self, call: HttpCall) -> Reply:
        model = call.query.get("model")
        caller = self.admission.authenticate(call.headers, model or NO_MODEL)
        if model is not None:
            self.admission.find_route(caller, model)
        filters = Filters(
            status=read_choice(call, "status", STATUSES),
            since=read_time(call, "since"),
            before=read_time(call, "before"),
        )
        limit = read_count(call, "limit", MOST_LISTED, LISTED)
        page = self.list_requests.list_requests(
            caller, model, filters, call.query.get("cursor"), limit
        )
        return text_reply(HTTPStatus.OK, json.dumps(page))
