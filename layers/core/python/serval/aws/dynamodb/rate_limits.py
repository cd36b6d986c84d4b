"""Counts of what each API key asks for in a minute, in the registry table."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from serval.aws.dynamodb.tables import write_if
from serval.clock import Clock, timestamp, utc_now
from serval.errors import RateLimited
from serval.models.storage import api_key_partition, rate_sort_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

WINDOW = timedelta(minutes=1)
REMEMBERED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RateLimitTable:
    """Counts in fixed windows: the minutes of the clock."""

    table: "Table"
    clock: Clock = utc_now
    kind: str = ""
    """What is counted; empty: async requests."""
    what: str = "submit {} async requests"

    def take(self, key_hash: str, limit: int) -> None:
        """Count one more, or raise ``RateLimited`` if the minute's ``limit`` is used up."""
        now = self.clock()
        begun = now.replace(second=0, microsecond=0)
        counted = write_if(
            self.table.update_item,
            Key={
                "pk": api_key_partition(key_hash),
                "sk": rate_sort_key(timestamp(begun), self.kind),
            },
            UpdateExpression="ADD #count :one SET #expires = :expires",
            ConditionExpression="(attribute_not_exists(#count) AND :limit > :zero) "
            "OR #count < :limit",
            ExpressionAttributeNames={"#count": "count", "#expires": "expires"},
            ExpressionAttributeValues={
                ":one": 1,
                ":zero": 0,
                ":limit": limit,
                ":expires": int((begun + REMEMBERED).timestamp()),
            },
        )
        if not counted:
            left = begun + WINDOW - now
            raise RateLimited(limit, max(1, round(left.total_seconds())), self.what)
