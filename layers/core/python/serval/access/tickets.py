"""Tickets: what lets a caller in at the stage's other address, where its API key does not arrive.

Clients follow a redirect by themselves, but send ``Authorization`` to no other host. So the address
has a ticket: 256 random bits, good for one call within a minute, and stored as its hash.
"""

import base64
import os
from dataclasses import dataclass
from typing import Protocol

TICKET_SECONDS = 60
TICKET_REJECTED = (
    f"the ticket is unknown, used or over {TICKET_SECONDS} s old: call the API's own address, and "
    "follow its redirect at once"
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is stored of a ticket."""

    key_hash: str | None
    """Of the API key that it stands for; None: the gateway authenticated the caller."""
    expires: int
    """Seconds since 1970, from which on it lets nobody in."""


class TicketStore(Protocol):
    """Where tickets lie until they are used."""

    def put(self, ticket_hash: str, ticket: Ticket) -> None:
        """Store a ticket, or raise ``RegistryUnavailable``."""

    def take(self, ticket_hash: str) -> Ticket | None:
        """Return a ticket and remove it; None if there is none, or not any more."""


def new_ticket() -> str:
    """Make the text of a ticket: 43 URL-safe characters."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
