"""The requests table when DynamoDB reads less than it was asked for."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serval.aws.dynamodb.requests import BATCH, BATCH_ATTEMPTS, MOST_PAGES, RequestTable
from serval.errors import RegistryUnavailable
from serval.requests.request import LISTED
from serval.requests.table import to_attributes
from tests.fakes.requests import async_request


@dataclass
class ThrottledTable:
    """Stands for a table, its meta and its client: reads at most ``at_once`` rows a call."""

    at_once: int
    name: str = "requests"
    calls: list[int] = field(default_factory=list)

    @property
    def meta(self) -> "ThrottledTable":
        return self

    @property
    def client(self) -> "ThrottledTable":
        return self

    def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:  # noqa: N803
        keys = RequestItems[self.name]["Keys"]
        assert RequestItems[self.name]["ConsistentRead"] is True
        assert len({key["id"] for key in keys}) == len(keys) <= 100, "DynamoDB refuses the call"
        self.calls.append(len(keys))
        read, left = keys[: self.at_once], keys[self.at_once :]
        rows = [to_attributes(async_request(key["id"])) for key in read if key["id"] != "nobody"]
        return {
            "Responses": {self.name: rows} if rows else {},
            "UnprocessedKeys": {self.name: {"Keys": left}} if left else {},
        }


def test_rows_that_were_left_unread_are_read_again() -> None:
    table = ThrottledTable(at_once=40)
    pauses: list[float] = []
    ids = ["nobody", *(f"r{number}" for number in range(BATCH + 4))]

    found = RequestTable(table, pauses.append).find_all([*ids, *ids])  # type: ignore[arg-type]

    assert list(found) == ids[1:]
    assert found["r7"] == async_request("r7")
    assert table.calls == [100, 60, 20, 5]
    assert pauses == [0.1, 0.2]


def test_a_table_that_reads_nothing_is_unavailable() -> None:
    table = ThrottledTable(at_once=0)
    pauses: list[float] = []

    with pytest.raises(RegistryUnavailable, match="left 2 of 2 rows unread"):
        RequestTable(table, pauses.append).find_all(["r1", "r2"])  # type: ignore[arg-type]
    assert len(table.calls) == BATCH_ATTEMPTS


@dataclass
class GuardedTable:
    """Stands for a table of which a role may read some rows; a call that names another fails."""

    readable: set[str]
    name: str = "requests"

    @property
    def meta(self) -> "GuardedTable":
        return self

    @property
    def client(self) -> "GuardedTable":
        return self

    def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:  # noqa: N803
        rows = [self.read(key["id"]) for key in RequestItems[self.name]["Keys"]]
        return {"Responses": {self.name: rows}, "UnprocessedKeys": {}}

    def get_item(self, Key: Any, ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        return {"Item": self.read(Key["id"])}

    def read(self, request_id: str) -> dict[str, Any]:
        if request_id not in self.readable:
            code = {"Code": "AccessDeniedException", "Message": "not authorized"}
            raise ClientError({"Error": code}, "BatchGetItem")  # type: ignore[typeddict-item]
        return to_attributes(async_request(request_id))


def test_a_row_that_the_role_may_not_read_takes_nobody_with_it() -> None:
    table = RequestTable(GuardedTable({"r1", "r3"}))  # type: ignore[arg-type]
    assert list(table.find_all(["r1", "r2", "r3"])) == ["r1", "r3"]


@pytest.mark.parametrize("ids", [["r2"], ["r2", "r4"]])
def test_a_role_that_may_read_no_row_is_told_so(ids: list[str]) -> None:
    table = RequestTable(GuardedTable({"r1"}))  # type: ignore[arg-type]
    with pytest.raises(ClientError, match="not authorized"):
        table.find_all(ids)


@dataclass
class LongIndex:
    """Stands for a table with ``length`` queued requests in each part of its index.

    DynamoDB's page ends at 1 MiB: 7,000 of them.
    """

    length: int
    page: int = 7_000
    handed_over: int = 0
    """Items that left DynamoDB."""
    counted: list[int] = field(default_factory=list)

    def query(self, **asked: Any) -> dict[str, Any]:
        part = asked["KeyConditionExpression"].get_expression()["values"][1]
        if part.startswith("running"):
            return {"Items": [], "Count": 0}
        first = int(asked.get("ExclusiveStartKey", {"updated": "0"})["updated"])
        end = min(self.length, first + min(self.page, asked.get("Limit", self.page)))
        answer: dict[str, Any] = {"Count": end - first}
        if end < self.length:
            answer["LastEvaluatedKey"] = {"updated": str(end)}
        if asked.get("Select") == "COUNT":
            self.counted.append(end - first)
            return answer
        items = [queued(part, number) for number in range(first, end)]
        self.handed_over += len(items)
        return answer | {"Items": items}


def queued(part: str, number: int) -> dict[str, Any]:
    made = to_attributes(async_request(f"{part}-{number}"))
    return made | {"state": part}


def test_half_a_million_open_requests_are_counted_and_few_are_listed() -> None:
    index = LongIndex(62_500)
    table = RequestTable(index)  # type: ignore[arg-type]

    listing = table.list_open()
    counted = table.count_unlisted(listing, ["textgen"])

    assert len(listing.listed) + counted == 500_000
    assert index.handed_over == len(listing.listed) == 8 * LISTED
    assert len(index.counted) == 72


def test_a_count_ends_before_its_function_does() -> None:
    index = LongIndex(62_500, page=10)
    table = RequestTable(index)  # type: ignore[arg-type]

    assert table.count_unlisted(table.list_open(), ["textgen"]) == MOST_PAGES * 10
