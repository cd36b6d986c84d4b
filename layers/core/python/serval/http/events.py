"""``GET /async/requests/{id}/events``: what is written of a request, as server-sent events.

A reader that was cut off names the last event that it has in ``Last-Event-ID``, and goes on behind
it.

Specification: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from serval.access.admission import Admission
from serval.errors import InvalidParameter, ServalError
from serval.http.call import HttpCall, Reply, text_reply
from serval.protocol.events import EVENT_STREAM
from serval.requests.access import RequestAccess
from serval.requests.cancel import Cancel
from serval.requests.request import AsyncRequest
from serval.requests.stream.follow import QUIET_LOOKS, Follow, Followed, StreamEnd
from serval.requests.stream.piece import Piece
from serval.requests.wait import WaitingPlaces

LAST_EVENT_ID = "last-event-id"
ON_DISCONNECT = "serval-on-disconnect"
CANCEL = "cancel"
WAIT_SECONDS = 20.0
"""How long a reply of the API waits for an event; its gateway gives up after 30 s."""
AGAIN = "retry: 50\n\n"
"""A reader whose connection has ended comes again after so many milliseconds."""
STILL_HERE = ": nothing yet\n\n"
"""A comment, which keeps a connection open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvents:
    """Finds the requests of callers, and follows their streams."""

    admission: Admission
    access: RequestAccess
    follow: Follow
    cancel: Cancel
    places: WaitingPlaces

    def reply(self, call: HttpCall) -> Reply:
        """Return the events that there are, or the first that come within 20 s.

        Without a free waiting place, nothing is waited for. The reader comes again for the rest.
        """
        request, after = self._find(call), read_last_event_id(call)
        place = self.places.take()
        try:
            events = self._collect(request, after, 0.0 if place is None else WAIT_SECONDS)
        finally:
            if place is not None:
                self.places.give_back(place)
        reply = text_reply(HTTPStatus.OK, AGAIN + events, {"cache-control": "no-store"})
        reply["headers"]["content-type"] = EVENT_STREAM
        return reply

    def stream(self, call: HttpCall, seconds: float) -> Iterator[str]:
        """Yield events as they come, for at most ``seconds``.

        Closing the iterator early cancels the request, if the call says ``serval-on-disconnect:
        cancel``.

        Raises
        ------
        ServalError
            Before the first event: what is wrong with the call.
        """
        request, after = self._find(call), read_last_event_id(call)
        return self._stream(request, after, seconds, cancels(call))

    def _stream(
        self, request: AsyncRequest, after: int, seconds: float, cancelled: bool
    ) -> Iterator[str]:
        quiet = 0
        try:
            yield AGAIN
            for found in self._follow(request, after, seconds):
                quiet = 0 if found else quiet + 1
                if found:
                    yield found
                elif quiet % QUIET_LOOKS == 0:
                    yield STILL_HERE
        except GeneratorExit:
            if cancelled:
                self.cancel.cancel_left(request.id)
            raise

    def _collect(self, request: AsyncRequest, after: int, seconds: float) -> str:
        events = ""
        for found in self._follow(request, after, seconds):
            if events and not found:
                break
            events += found
        return events

    def _follow(self, request: AsyncRequest, after: int, seconds: float) -> Iterator[str]:
        """Yield an event for what is found; nothing for a look that finds nothing."""
        try:
            for found in self.follow.follow(request, after, seconds):
                yield write_found(found)
        except ServalError as error:
            yield write_event("error", None, {"error": str(error)})

    def _find(self, call: HttpCall) -> AsyncRequest:
        caller = self.admission.authenticate(call.headers, key_hash=call.key_hash)
        return self.access.find(caller, call.names["id"], call.query.get("model"))


def cancels(call: HttpCall) -> bool:
    """Return whether a reader that goes away wants its request cancelled."""
    given = call.headers.get(ON_DISCONNECT)
    if given not in (None, CANCEL):
        raise InvalidParameter(ON_DISCONNECT, given, repr(CANCEL))
    return given == CANCEL


def read_last_event_id(call: HttpCall) -> int:
    """Return the number of the last event that a reader has; 0: none."""
    given = call.headers.get(LAST_EVENT_ID, "").strip()
    if not given:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise InvalidParameter("Last-Event-ID", given, "the id of an event")
    return int(given)


def write_found(found: Followed) -> str:
    """Write what was found at a look; empty: nothing."""
    match found:
        case Piece():
            return write_event("token", found.number, describe_piece(found))
        case StreamEnd(request, number):
            end = {"id": request.name, "status": request.status, "error": request.error}
            return write_event("end", number, end)
    return ""


def describe_piece(piece: Piece) -> dict[str, Any]:
    """Return a piece as readers of our own route get it."""
    described: dict[str, Any] = {
        "text": piece.text,
        "token": piece.id,
        "special": piece.special,
        "logprob": piece.logprob,
        "finish_reason": piece.finish,
    }
    if piece.top:
        described["top_tokens"] = [
            {"token": one.id, "text": one.text, "logprob": one.logprob} for one in piece.top
        ]
    return described


def write_event(kind: str, number: int | None, data: dict[str, Any]) -> str:
    """Write an event; JSON has no line breaks."""
    head = f"event: {kind}\n" if number is None else f"event: {kind}\nid: {number}\n"
    return f"{head}data: {json.dumps(data)}\n\n"
