"""Calls that want a stream are sent to the address that streams.

The HTTP API passes on nothing before an answer is whole. So it redirects a call that wants a stream
to the URL of the function ``stream``, with a ticket in place of its key (decision 33). Functions
without numpy redirect, too, so nothing of inference is imported here.
"""

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlencode

from serval.access.api_key import Caller, hash_api_key
from serval.access.tickets import TICKET_SECONDS, Ticket, TicketStore, new_ticket
from serval.http.call import HttpCall, Reply, text_reply

TICKET_PARAMETER = "ticket"


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
