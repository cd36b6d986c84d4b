"""Claims in the registry table: who may work on an upload."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from serval.aws.tables import happened
from serval.clock import Clock, timestamp, utc_now
from serval.registration import Claim

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LEASE = timedelta(minutes=16)
"""Longer than any function runs: an owner whose lease has run out is dead."""
REMEMBERED = timedelta(days=30)
"""Longer than EventBridge and Lambda may repeat an event."""
CLAIM = "CLAIM"
FREE = "attribute_not_exists(pk) OR (#status = :running AND (#owner = :owner OR #expires < :now))"


@dataclass(frozen=True, slots=True)
class DynamoDBClaims:
    """``Claims``: one owner at a time, by a conditional write."""

    table: "Table"
    clock: Clock = utc_now

    def take(self, claim: str, owner: str) -> Claim | None:
        """Take a claim, or give None if it is another's or done."""
        now = self.clock()
        try:
            answer = self.table.update_item(
                Key={"pk": f"CLAIM#{claim}", "sk": CLAIM},
                UpdateExpression="SET #owner = :owner, #status = :running, #expires = :lease, "
                "since = if_not_exists(since, :since) ADD attempts :one",
                ConditionExpression=FREE,
                ExpressionAttributeNames={
                    "#owner": "owner",
                    "#status": "status",
                    "#expires": "expires",
                },
                ExpressionAttributeValues={
                    ":owner": owner,
                    ":running": "running",
                    ":now": int(now.timestamp()),
                    ":lease": int((now + LEASE).timestamp()),
                    ":since": timestamp(now),
                    ":one": 1,
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return None
            raise
        taken = answer["Attributes"]
        return Claim(int(str(taken["attempts"])), str(taken["since"]))

    def finish(self, claim: str, owner: str) -> None:
        """Mark a claim as done; leave it alone if another owner has taken it since."""
        happened(
            self.table.update_item,
            Key={"pk": f"CLAIM#{claim}", "sk": CLAIM},
            UpdateExpression="SET #status = :done, #expires = :until",
            ConditionExpression="#owner = :owner",
            ExpressionAttributeNames={
                "#owner": "owner",
                "#status": "status",
                "#expires": "expires",
            },
            ExpressionAttributeValues={
                ":owner": owner,
                ":done": "done",
                ":until": int((self.clock() + REMEMBERED).timestamp()),
            },
        )
