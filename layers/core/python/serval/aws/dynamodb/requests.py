"""The requests table in DynamoDB."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from botocore.exceptions import ClientError

from serval.aws.dynamodb.tables import (
    describe_update,
    is_denied,
    read_items,
    read_newest,
    write_item_if,
)
from serval.errors import RegistryUnavailable
from serval.requests.list_requests import Filters, Position
from serval.requests.request import LISTED, OPEN, SHARDS, AsyncRequest, OpenListing, OpenRequest
from serval.requests.table import (
    BY_MODEL,
    BY_STATE,
    CALLBACK,
    from_attributes,
    read_open_request,
    state,
    to_attributes,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

BATCH = 100
"""Keys that BatchGetItem takes."""
BATCH_ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.05
MOST_PAGES = 500
"""Pages of 1 MiB that one count reads from the index: some three million requests."""
SEARCHED = 500
"""Requests read at once to find those of a status."""
FIRST_TIME, LAST_TIME = "0", "9"
"""Texts that sort before and after every time in a row."""


def submitted_between(filters: Filters) -> ConditionBase:
    """Return the key condition for the time at which requests were submitted."""
    # Bounds are inclusive: without its last character a time is before itself, and after others.
    before = filters.before[:-1] if filters.before else LAST_TIME
    return Key("created").between(filters.since or FIRST_TIME, before)


@dataclass(frozen=True, slots=True)
class RequestTable:
    """``RequestStore`` in DynamoDB."""

    table: "Table"
    pause: Callable[[float], None] = time.sleep

    def create(self, request: AsyncRequest) -> bool:
        """Write a new row; return False, and write nothing, if the id is taken."""
        item = to_attributes(request)
        return write_item_if(
            self.table.put_item, item, Item=item, ConditionExpression=Attr("id").not_exists()
        )

    def find(self, request_id: str) -> AsyncRequest | None:
        """Return a row, or None if there is none."""
        answer = self.table.get_item(Key={"id": request_id}, ConsistentRead=True)
        return from_attributes(answer["Item"]) if "Item" in answer else None

    def find_all(self, request_ids: Sequence[str]) -> Mapping[str, AsyncRequest]:
        """Return the rows that exist, by id.

        IAM refuses a read of many rows as a whole if it names one row of another role's models, so
        those are then read one by one, and the refused ones count as missing.

        Raises
        ------
        RegistryUnavailable
            If the table leaves keys unread time and again.
        """
        distinct = list(dict.fromkeys(request_ids))
        return {
            request.id: request
            for first in range(0, len(distinct), BATCH)
            for request in self._readable(distinct[first : first + BATCH])
        }

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        """Write the changes, with the next revision, if the row still has ``before``'s."""
        item = to_attributes(replace(after, revision=before.revision + 1))
        return write_item_if(
            self.table.update_item,
            item,
            Key={"id": before.id},
            ConditionExpression=Attr("revision").eq(before.revision),
            **describe_update(to_attributes(before), item),
        )

    def open(self) -> Iterator[OpenRequest]:
        """List the open requests of the stage, in no particular order, from the index."""
        for status in OPEN:
            yield from map(read_open_request, self._in_state(status))

    def list_open(self) -> OpenListing:
        """List the running requests, and the queued ones that changed longest ago."""
        listed = list(map(read_open_request, self._in_state("running")))
        rest: dict[str, Mapping[str, Any]] = {}
        for shard in range(SHARDS):
            part = state("queued", shard)
            page = self.table.query(
                IndexName=BY_STATE, KeyConditionExpression=Key("state").eq(part), Limit=LISTED
            )
            listed += map(read_open_request, page["Items"])
            if "LastEvaluatedKey" in page:
                rest[part] = page["LastEvaluatedKey"]
        return OpenListing(listed, rest)

    def count_unlisted(self, listing: OpenListing, models: Sequence[str]) -> int:
        """Count the queued requests of these models that a listing has not listed.

        DynamoDB reads them, and hands over numbers: a page of 1 MiB, some 7,000 requests, is 128
        read units, $0.000016.
        """
        counted = pages = 0
        for part, after in listing.rest.items():
            arguments: dict[str, Any] = {"ExclusiveStartKey": after}
            while arguments and pages < MOST_PAGES:
                page = self.table.query(
                    IndexName=BY_STATE,
                    KeyConditionExpression=Key("state").eq(part),
                    FilterExpression=Attr("model").is_in(list(models)),
                    Select="COUNT",
                    **arguments,
                )
                counted, pages = counted + page["Count"], pages + 1
                following = page.get("LastEvaluatedKey")
                arguments = {"ExclusiveStartKey": following} if following else {}
        return counted

    def callbacks_due(self, before: str) -> Iterator[str]:
        """Yield the ids of requests closed before a time whose callbacks were never tried."""
        closed = Key("updated").lt(before)
        return (item["id"] for item in self._in_state(CALLBACK, closed))

    def of_model(self, model: str, limit: int) -> Sequence[AsyncRequest]:
        """List a model's requests, newest first, from the index, payloads left out."""
        return [from_attributes(item) for item in read_newest(self.table, BY_MODEL, model, limit)]

    def page(
        self, model: str, filters: Filters, after: Position | None, limit: int
    ) -> tuple[Sequence[AsyncRequest], Position | None]:
        """Read a page of a model's requests, newest first, payloads left out."""
        asked: dict[str, Any] = {
            "IndexName": BY_MODEL,
            "KeyConditionExpression": Key("model").eq(model) & submitted_between(filters),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if filters.status is not None:
            # What has another status is read too, so more is read at once.
            asked["FilterExpression"] = Attr("status").eq(filters.status)
            asked["Limit"] = max(limit, SEARCHED)
        if after is not None:
            asked["ExclusiveStartKey"] = {"model": model, **asdict(after)}
        answer = self.table.query(**asked)
        rows = [from_attributes(item) for item in answer["Items"]]
        if len(rows) > limit:
            rows = rows[:limit]
            return rows, Position(rows[-1].created, rows[-1].id)
        last = answer.get("LastEvaluatedKey")
        return rows, None if last is None else Position(str(last["created"]), str(last["id"]))

    def _in_state(self, status: str, when: ConditionBase | None = None) -> Iterator[dict[str, Any]]:
        for shard in range(SHARDS):
            condition: ConditionBase = Key("state").eq(state(status, shard))
            yield from read_items(
                self.table.query,
                IndexName=BY_STATE,
                KeyConditionExpression=condition if when is None else condition & when,
            )

    def _readable(self, request_ids: Sequence[str]) -> Iterable[AsyncRequest]:
        try:
            return list(self._batch(request_ids))
        except ClientError as error:
            if not is_denied(error) or len(request_ids) == 1:
                raise
            return self._one_by_one(request_ids, error)

    def _one_by_one(
        self, request_ids: Sequence[str], denied: ClientError
    ) -> Sequence[AsyncRequest]:
        """Read rows alone; raise the denial if it holds for all: then the role lacks the right."""
        rows, refusals = [], 0
        for request_id in request_ids:
            try:
                rows.append(self.find(request_id))
            except ClientError as error:
                if not is_denied(error):
                    raise
                refusals += 1
        if refusals == len(request_ids):
            raise denied
        return [row for row in rows if row is not None]

    def _batch(self, request_ids: Sequence[str]) -> Iterator[AsyncRequest]:
        keys: list[Any] = [{"id": request_id} for request_id in request_ids]
        name = self.table.name
        for attempt in range(BATCH_ATTEMPTS):
            if attempt:
                self.pause(FIRST_PAUSE_SECONDS * 2**attempt)
            answer = self.table.meta.client.batch_get_item(
                RequestItems={name: {"Keys": keys, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(name, []):
                yield from_attributes(item)
            if name not in answer["UnprocessedKeys"]:
                return
            keys = list(answer["UnprocessedKeys"][name]["Keys"])
        raise RegistryUnavailable(
            f"the requests table left {len(keys)} of {len(request_ids)} rows unread, "
            f"{BATCH_ATTEMPTS} times: it is throttled"
        )
