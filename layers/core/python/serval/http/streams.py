"""Answers in pieces: events, and the address at which a stage streams.

The HTTP API passes on nothing before an answer is whole. So it redirects a call that wants a stream
to the URL of the function ``stream``, with a ticket in place of its key (decision 33).
"""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from serval.access.api_key import Caller, hash_api_key
from serval.access.tickets import TICKET_SECONDS, Ticket, TicketStore, new_ticket
from serval.errors import ServalError
from serval.http.call import HttpCall, Log, Reply, text_reply
from serval.http.protocols.protocol import AskedStream
from serval.http.status import status_of
from serval.protocol.events import EVENT_STREAM, write_event

TICKET_PARAMETER = "ticket"
HEADERS: Mapping[str, str] = {"content-type": EVENT_STREAM, "cache-control": "no-cache"}
CHUNKS = "chunks"
"""Where a reply has its pieces, in place of ``body``."""


@dataclass(frozen=True, slots=True)
class StreamRedirect:
    """Sends calls to the address that streams."""

    url: str
    """Ends with ``/``."""
    tickets: TicketStore
    clock: Callable[[], float] = time.time
    whole: Collection[str] = ()
    """Models that do not stream there: those on fleets, and custom Python."""

    def takes(self, model: str) -> bool:
        """Return whether a model streams there."""
        return model not in self.whole

    def reply(self, call: HttpCall, caller: Caller) -> Reply:
        """Redirect a call of a caller that was let in; method and body stay the same."""
        ticket = new_ticket()
        expires = int(self.clock()) + TICKET_SECONDS
        self.tickets.put(hash_api_key(ticket), Ticket(caller.key_hash, expires))
        query = urlencode({**call.query, TICKET_PARAMETER: ticket})
        place = f"{self.url}{quote(call.path[1:])}?{query}"
        note = json.dumps({"location": place})
        return text_reply(HTTPStatus.TEMPORARY_REDIRECT, note, {"location": place})


def open_stream(asked: AskedStream, headers: Mapping[str, str], log: Log) -> Reply:
    """Begin an answer; raise what is wrong before its first piece is there.

    What goes wrong afterwards is an event of its own, the last.
    """
    first = next(asked.documents)
    return {
        "statusCode": int(HTTPStatus.OK),
        "headers": {**HEADERS, **headers},
        CHUNKS: _events(first, asked, log),
    }


def _events(first: dict[str, Any], asked: AskedStream, log: Log) -> Iterator[bytes]:
    # Imported for streams alone: infer replies without them.
    from serval.tasks.call import write_json

    yield write_event(write_json(first))
    try:
        for document in asked.documents:
            yield write_event(write_json(document))
    except ServalError as error:
        status = status_of(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log(json.dumps({"level": "ERROR", "status": status, "error": str(error)}))
        yield write_event(write_json(asked.write_error(error)))
        return
    if asked.end:
        yield asked.end
