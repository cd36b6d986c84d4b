"""Read a request's stream of events, and go on where a connection was lost.

Specification: HTML, "Server-sent events" (``text/event-stream``, ``Last-Event-ID``).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from serval.client.asking import Asking
from serval.client.documents import StreamEvent
from serval.client.failures import (
    CallFailed,
    NoReply,
    ServerFailed,
    TooManyCalls,
    failure_of,
)
from serval.client.reading import request_path
from serval.client.steps import Call, Flow, Item, ItemFlow, NextBytes, Opening, Pause, Reply
from serval.protocol.events import EVENT_STREAM

END, ERROR = "end", "error"
LAST = "last-event-id"
AGAIN_SECONDS = 1.0
"""Pause before a stream that was ended is asked for again, if the server names none."""


class StreamLost(CallFailed):
    """A stream cannot be followed: connections broke off, it is none, or the stage says why."""


@dataclass(slots=True)
class EventParser:
    """Finds events in the bytes of a stream, however they were cut."""

    again_seconds: float = AGAIN_SECONDS
    """What the server asks for by ``retry``."""
    _rest: bytes = b""
    _fields: dict[str, str] = field(default_factory=dict)

    def feed(self, piece: bytes) -> Iterator[StreamEvent]:
        """Yield the events that are whole now; the number of an end or an error may be 0.

        A line ends with LF or CRLF. Other events without a number are none of ours.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r").decode(errors="replace")
            if not text:
                yield from self._event()
            elif not text.startswith(":"):
                name, _, value = text.partition(":")
                value = value.removeprefix(" ")
                if name == "data" and "data" in self._fields:
                    value = f"{self._fields['data']}\n{value}"
                self._fields[name] = value

    def _event(self) -> Iterator[StreamEvent]:
        fields, self._fields = self._fields, {}
        number, kind = whole_number(fields.get("id", "")), fields.get("event", "message")
        if again := whole_number(fields.get("retry", "")):
            self.again_seconds = again / 1000
        if "data" in fields and (number or kind in (END, ERROR)):
            yield StreamEvent(number, kind, value_of(fields["data"]))

    def behind(self, after: int, piece: bytes) -> Iterator[StreamEvent]:
        """Yield the end, and events whose number is higher; raise ``StreamLost`` for an error."""
        for event in self.feed(piece):
            if event.kind == ERROR:
                raise StreamLost(f"the stage ends the stream: {event.data}")
            if event.number > after or event.kind == END:
                after = event.number
                yield event


def whole_number(text: str) -> int:
    """Read a number; 0 if it is none."""
    return int(text) if text.isascii() and text.isdigit() else 0


def value_of(text: str) -> object:
    """Return an event's data, as Python has it if it is JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass
class EventFlows(Asking):
    """What a caller asks of streams."""

    def events(
        self, request_id: str, *, model: str | None = None, after: int = 0
    ) -> ItemFlow[StreamEvent]:
        """Follow the stream of a request to its end, each event once, over lost connections.

        The last event is of the kind ``end``; its data has the request's ``status`` and ``error``.

        Parameters
        ----------
        after
            The last number that the caller has: the stream goes on behind it.

        Raises
        ------
        StreamLost
            If connections broke off several times in a row without bringing anything, what
            answers is no stream, or an event says that the stream cannot be followed.
        CallFailed
            If the stage refuses the stream.
        """
        broken = 0
        while True:
            parser, before = EventParser(), after
            try:
                yield from self._open(request_id, model, after)
                while piece := (yield NextBytes()):
                    for event in parser.behind(after, piece):
                        after = event.number
                        yield Item(event)
                        if event.kind == END:
                            return
                # The server ends a reply after a while, with or without events.
                broken, pause = 0, parser.again_seconds
            except (NoReply, ServerFailed, TooManyCalls) as lost:
                broken = 1 if after > before else broken + 1
                again = self.policy.pause_seconds(broken, lost)
                if again is None:
                    raise StreamLost(f"the stream of request {request_id}: {lost}") from lost
                pause = again
            yield Pause(pause)

    def _open(self, request_id: str, model: str | None, after: int) -> Flow[None]:
        headers = {"accept": EVENT_STREAM} | ({LAST: str(after)} if after else {})
        # The API leads to a URL where each event comes when it is written.
        path = request_path(request_id, model, "/events", follow="true")
        call = Call("GET", path, headers=headers)
        reply: Reply = yield Opening(call)
        if not reply.ok:
            raise failure_of(reply)
        if not (kind := reply.headers.get("content-type", EVENT_STREAM)).startswith(EVENT_STREAM):
            raise StreamLost(
                f"the stream of request {request_id}: answered with {kind}, {EVENT_STREAM} expected"
            )
