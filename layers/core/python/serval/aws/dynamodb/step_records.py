"""The records of pipelines' steps, which lie in the requests table: an item for each request.

A step has an attribute of its own, so that steps that run at the same time do not meet; one that
is done has another, which is written once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from serval.aws.dynamodb.tables import write_if
from serval.clock import Clock, utc_now
from serval.requests.step_records import RECORD_DAYS, StepRecord
from serval.requests.table import EXPIRES, ID

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

OPEN, DONE = "at:", "done:"
"""Prefixes of the attributes."""


def item_id(request_id: str) -> str:
    """Return the id of a request's item; no request has one with a slash."""
    return f"{request_id}/steps"


@dataclass(frozen=True, slots=True)
class StepRecordTable:
    """``StepRecords`` in the requests table."""

    table: "Table"
    clock: Clock = utc_now

    def read(self, request_id: str) -> Mapping[str, StepRecord]:
        """Read the records of a request, by the names of the steps."""
        answer = self.table.get_item(Key={ID: item_id(request_id)}, ConsistentRead=True)
        found: dict[str, StepRecord] = {}
        for attribute, text in sorted(answer.get("Item", {}).items()):
            if attribute.startswith((OPEN, DONE)):  # what is done comes later, and stands
                record = StepRecord.from_json(str(text))
                found[record.name] = record
        return found

    def write(self, request_id: str, record: StepRecord) -> None:
        """Write a record, unless the step is done already."""
        expires = int((self.clock() + timedelta(days=RECORD_DAYS)).timestamp())
        done = DONE + record.name
        write_if(
            self.table.update_item,
            Key={ID: item_id(request_id)},
            UpdateExpression="SET #record = :record, #expires = :expires",
            ConditionExpression="attribute_not_exists(#done)",
            ExpressionAttributeNames={
                "#record": done if record.done else OPEN + record.name,
                "#done": done,
                "#expires": EXPIRES,
            },
            ExpressionAttributeValues={":record": record.to_json(), ":expires": expires},
        )
