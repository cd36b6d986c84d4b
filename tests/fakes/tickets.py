"""Tickets in memory."""

from dataclasses import dataclass, field

from serval.access.tickets import Ticket


@dataclass
class InMemoryTickets:
    """Tickets by their hash."""

    stored: dict[str, Ticket] = field(default_factory=dict)

    def put(self, ticket_hash: str, ticket: Ticket) -> None:
        self.stored[ticket_hash] = ticket

    def take(self, ticket_hash: str) -> Ticket | None:
        return self.stored.pop(ticket_hash, None)
