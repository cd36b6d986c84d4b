"""Tickets in the registry table, through signed requests."""

from dataclasses import dataclass
from typing import Any

from serval.access.tickets import Ticket
from serval.aws.signed.client import SignedClient
from serval.aws.signed.edge import call_registry
from serval.models.storage import TICKET, ticket_partition


@dataclass(frozen=True, slots=True)
class SignedTickets:
    """Tickets as items that DynamoDB removes by itself some time after they expire."""

    table: str
    dynamodb: SignedClient

    def put(self, ticket_hash: str, ticket: Ticket) -> None:
        """Store a ticket, or raise ``RegistryUnavailable``."""
        item: dict[str, Any] = {**_key(ticket_hash), "expires": {"N": str(ticket.expires)}}
        if ticket.key_hash is not None:
            item["key_hash"] = {"S": ticket.key_hash}
        call_registry(self.dynamodb, "PutItem", {"TableName": self.table, "Item": item})

    def take(self, ticket_hash: str) -> Ticket | None:
        """Return a ticket and remove it, so that it lets in one call.

        It is tried once: a second attempt would not find what the first one took.
        """
        request = {
            "TableName": self.table,
            "Key": _key(ticket_hash),
            "ReturnValues": "ALL_OLD",
        }
        found = call_registry(self.dynamodb, "DeleteItem", request, attempts=1).get("Attributes")
        if not found:
            return None
        return Ticket(found.get("key_hash", {}).get("S"), int(found["expires"]["N"]))


def _key(ticket_hash: str) -> dict[str, Any]:
    return {"pk": {"S": ticket_partition(ticket_hash)}, "sk": {"S": TICKET}}
