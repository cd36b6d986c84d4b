"""The duty of handing a fleet's requests over, in a row beside the fleet's own."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from serval.clock import Clock, timestamp, utc_now
from serval.fleets.endpoints.dispatch import LOOKING, STARTING, Calls
from serval.models.storage import FLEET_DUTY, fleet_partition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

NAMES = {"#calls": "calls", "#recount": "recount", "#holder": "holder", "#until": "until"}


def new_token() -> str:
    """Return a unique token."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class DutyTable:
    """``Duty`` in DynamoDB; each step is one conditional write."""

    table: "Table"
    clock: Clock = utc_now
    token: Callable[[], str] = new_token

    def call(self, fleet: str, *, recount: bool = False) -> str | None:
        """Count a call; return the token of a dispatch to start, or None if one is on duty."""
        expression = "SET #recount = :true ADD #calls :one" if recount else "ADD #calls :one"
        values: dict[str, Any] = {":one": 1} | ({":true": True} if recount else {})
        found = self._write(fleet, expression, values) or {}
        if found.get("until", "") > timestamp(self.clock()):
            return None
        token = self.token()
        return token if self._hold(fleet, token, STARTING, self._free()) is not None else None

    def take(self, fleet: str, token: str) -> Calls | None:
        """Take the duty, or keep it; None if another dispatch has it."""
        found = self._hold(fleet, token, LOOKING, self._free() | Attr("holder").eq(token))
        if found is None:
            return None
        return Calls(int(found.get("calls", 0)), bool(found.get("recount", False)))

    def leave(self, fleet: str, token: str, heard: Calls) -> bool:
        """Leave the duty; return False, and keep it, if there was a call since."""
        calls = Attr("calls").eq(heard.count)
        unheard = calls if heard.count else calls | Attr("calls").not_exists()
        mine = Attr("holder").eq(token)
        left = self._write(fleet, "REMOVE #holder, #until, #recount", {}, mine & unheard)
        return left is not None

    def give_up(self, fleet: str, token: str) -> None:
        """Leave the duty whatever was called; the next call starts another dispatch."""
        self._write(fleet, "REMOVE #holder, #until", {}, Attr("holder").eq(token))

    def _free(self) -> ConditionBase:
        return Attr("until").not_exists() | Attr("until").lte(timestamp(self.clock()))

    def _hold(
        self, fleet: str, token: str, period: timedelta, condition: ConditionBase
    ) -> Mapping[str, Any] | None:
        until = timestamp(self.clock() + period)
        return self._write(
            fleet,
            "SET #holder = :holder, #until = :until",
            {":holder": token, ":until": until},
            condition,
        )

    def _write(
        self,
        fleet: str,
        expression: str,
        values: Mapping[str, Any],
        condition: ConditionBase | None = None,
    ) -> Mapping[str, Any] | None:
        """Return the row after a write; None if the condition did not hold."""
        arguments: dict[str, Any] = {
            "Key": {"pk": fleet_partition(fleet), "sk": FLEET_DUTY},
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {
                name: attribute for name, attribute in NAMES.items() if name in expression
            },
            "ReturnValues": "ALL_NEW",
        }
        if values:
            arguments["ExpressionAttributeValues"] = dict(values)
        if condition is not None:
            arguments["ConditionExpression"] = condition
        try:
            return self.table.update_item(**arguments)["Attributes"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return None
