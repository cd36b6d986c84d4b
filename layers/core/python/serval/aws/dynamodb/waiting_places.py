"""Waiting places: a few rows of the registry table, each held by one caller at a time."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import BotoCoreError, ClientError

from serval.aws.dynamodb.tables import write_if
from serval.clock import Clock, timestamp, utc_now
from serval.models.storage import WAITING, place_sort_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

HELD = timedelta(seconds=30)
"""When the place of a crashed holder is free again; longer than its function may run."""
TRIES = 3


@dataclass(frozen=True, slots=True)
class PlaceTable:
    """``WaitingPlaces`` in DynamoDB: taking one, and giving it back, is a conditional write.

    A table that does not answer has no place: the request is made, and only not waited for.
    """

    table: "Table"
    count: int
    clock: Clock = utc_now
    draw: Callable[[range, int], list[int]] = random.sample

    def take(self) -> str | None:
        """Take a free place; None if a few draws found none."""
        for number in self.draw(range(self.count), min(TRIES, self.count)):
            now = self.clock()
            until = timestamp(now + HELD)
            free = Attr("until").not_exists() | Attr("until").lte(timestamp(now))
            if self._write(number, free, "SET #until = :until", {":until": until}):
                return f"{number} {until}"
        return None

    def give_back(self, place: str) -> None:
        """Free a place, unless another caller has it by now."""
        number, _, until = place.partition(" ")
        self._write(int(number), Attr("until").eq(until), "REMOVE #until", {})

    def _write(
        self, number: int, condition: ConditionBase, expression: str, values: dict[str, str]
    ) -> bool:
        arguments: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        try:
            return write_if(
                self.table.update_item,
                Key={"pk": WAITING, "sk": place_sort_key(number)},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#until": "until"},
                **arguments,
            )
        except (ClientError, BotoCoreError):
            return False
