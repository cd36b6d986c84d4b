"""The function ``stream``: all that ``infer`` answers, at an address that streams.

Specification: "Lambda function URLs" and "Response streaming", AWS Lambda Developer Guide.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

from serval.access.api_key import hash_api_key
from serval.access.tickets import TICKET_REJECTED, TicketStore
from serval.errors import ApiKeyRejected
from serval.http.aws_failures import translate_aws_failures
from serval.http.call import IN_PATH, Event, HttpCall, Reply, reply_to
from serval.http.events import RequestEvents
from serval.http.infer import InferEndpoint
from serval.http.protocols.choose import choose_protocol, find_address
from serval.http.protocols.redirect import TICKET_PARAMETER
from serval.http.refusals import refuse_by_path
from serval.http.streams import CHUNKS, HEADERS
from serval.http.wait import WaitEndpoint
from serval.protocol.events import closing_source
from serval.requests.stream.follow import FOLLOW_SECONDS

EVENTS = re.compile(r"/async/requests/(?P<id>[^/]+)/events/?")
PRELUDE_END = bytes(8)
"""Between status and headers, and the body."""


@dataclass(frozen=True, slots=True)
class StreamEndpoint:
    """Answers events of a function URL in pieces."""

    endpoint: InferEndpoint
    tickets: TicketStore
    events: Callable[[], RequestEvents]
    """Returns what follows the streams of async requests."""
    clock: Callable[[], float] = time.time
    on_fleets: Collection[str] = ()
    """The models on fleets, which ``fleets`` answers for."""
    fleets: Callable[[], WaitEndpoint] | None = None

    def reply(self, event: Event) -> Iterator[bytes]:
        """Answer an event; the first piece has the status and the headers."""
        admission = self.endpoint.admission
        return in_pieces(
            reply_to(
                with_names(event),
                self._answer,
                self.endpoint.log,
                admission.authenticator,
                refuse_by_path,
            )
        )

    def _answer(self, call: HttpCall) -> Reply:
        ticket = call.query.get(TICKET_PARAMETER)
        if ticket is not None:
            call.key_hash = self._redeem(ticket)
        elif self.endpoint.admission.authenticator is None:
            # The gateway, which lets callers in, is not in front of this address.
            raise ApiKeyRejected(TICKET_REJECTED)
        if found := EVENTS.fullmatch(call.path):
            call.names = found.groupdict()
            return self._follow(call)
        if self.fleets is not None and self._asked_model(call) in self.on_fleets:
            return self.fleets().answer(call)
        return self.endpoint.answer(call)

    def _asked_model(self, call: HttpCall) -> str:
        return find_address(call, choose_protocol(call.path), self.endpoint.admission)[0]

    @translate_aws_failures()
    def _follow(self, call: HttpCall) -> Reply:
        events = self.events().stream(call, FOLLOW_SECONDS)
        return {
            "statusCode": int(HTTPStatus.OK),
            "headers": dict(HEADERS),
            CHUNKS: _encode(events),
        }

    def _redeem(self, text: str) -> str | None:
        ticket = self.tickets.take(hash_api_key(text))
        if ticket is None or ticket.expires <= self.clock():
            raise ApiKeyRejected(TICKET_REJECTED)
        return ticket.key_hash


def _encode(events: Iterator[str]) -> Iterator[bytes]:
    """Encode events; to leave off early closes what they come from."""
    with closing_source(events):
        for event in events:
            yield event.encode()


def with_names(event: Event) -> Event:
    """Add what the HTTP API finds in a path: the model and the version."""
    path = unquote(event["rawPath"])
    found = IN_PATH.match(path)
    names = {name: value for name, value in found.groupdict().items() if value} if found else {}
    return {**event, "rawPath": path, "pathParameters": names}


def in_pieces(reply: Reply) -> Iterator[bytes]:
    """Write a reply as Lambda streams it."""
    prelude = {"statusCode": reply["statusCode"], "headers": reply["headers"]}
    yield json.dumps(prelude).encode() + PRELUDE_END
    if CHUNKS in reply:
        yield from reply[CHUNKS]
    else:
        body = reply["body"]
        yield base64.b64decode(body) if reply["isBase64Encoded"] else body.encode()
