"""Claims in the registry table: who works on an upload."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from serval.clock import Clock, timestamp, utc_now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

REMEMBERED = timedelta(days=30)
"""Longer than EventBridge and Step Functions may repeat an event."""
CLAIM = "CLAIM"


@dataclass(frozen=True, slots=True)
class DynamoDBClaims:
    """``Claims`` in DynamoDB: a conditional write gives a claim to its first owner for good."""

    table: "Table"
    clock: Clock = utc_now

    def take(self, claim: str, owner: str) -> str | None:
        """Take a claim; return when it was first taken, or None if it has another owner."""
        now = self.clock()
        try:
            answer = self.table.update_item(
                Key={"pk": f"CLAIM#{claim}", "sk": CLAIM},
                UpdateExpression="SET #owner = :owner, #expires = :expires, "
                "#since = if_not_exists(#since, :now)",
                ConditionExpression="attribute_not_exists(pk) OR #owner = :owner",
                ExpressionAttributeNames={
                    "#owner": "owner",
                    "#since": "since",
                    "#expires": "expires",
                },
                ExpressionAttributeValues={
                    ":owner": owner,
                    ":now": timestamp(now),
                    ":expires": int((now + REMEMBERED).timestamp()),
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return None
            raise
        return str(answer["Attributes"]["since"])
