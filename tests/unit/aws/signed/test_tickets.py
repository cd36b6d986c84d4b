"""Tickets in the registry table: each is found once."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.access.tickets import Ticket
from serval.aws.signed.client import AwsUnavailable
from serval.aws.signed.tickets import SignedTickets
from serval.errors import RegistryUnavailable


@dataclass
class Table:
    """Stands for the signed client over a table of tickets."""

    items: dict[str, Any] = field(default_factory=dict)
    attempts: list[Any] = field(default_factory=list)
    fails: bool = False

    def request(self, method: str, path: str, headers: Any, body: bytes, **more: Any) -> io.BytesIO:
        if self.fails:
            raise AwsUnavailable("throttled")
        self.attempts.append(more["attempts"])
        asked = json.loads(body)
        assert asked["TableName"] == "registry"
        if headers["x-amz-target"].endswith(".PutItem"):
            self.items[asked["Item"]["pk"]["S"]] = asked["Item"]
            return io.BytesIO(b"{}")
        assert asked["ReturnValues"] == "ALL_OLD"
        found = self.items.pop(asked["Key"]["pk"]["S"], None)
        return io.BytesIO(json.dumps({"Attributes": found} if found else {}).encode())


def tickets(table: Table) -> SignedTickets:
    return SignedTickets("registry", table)  # type: ignore[arg-type]


@pytest.mark.parametrize("ticket", [Ticket("abc", 1000), Ticket(None, 1000)])
def test_a_ticket_is_taken_once(ticket: Ticket) -> None:
    table = Table()
    tickets(table).put("123", ticket)
    assert list(table.items) == ["TICKET#123"], "infer may write no other keys"
    assert tickets(table).take("123") == ticket
    assert tickets(table).take("123") is None
    assert table.attempts[1:] == [1, 1], "a repeated delete would not find what the first one took"


def test_tickets_that_cannot_be_read_are_unavailable() -> None:
    with pytest.raises(RegistryUnavailable):
        tickets(Table(fails=True)).take("123")
