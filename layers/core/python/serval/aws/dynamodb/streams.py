"""The streams table in DynamoDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from serval.aws.dynamodb.tables import read_item_found, read_items
from serval.requests.stream.piece import StreamChunk
from serval.requests.stream.table import EXPIRES, FIRST, REQUEST, from_attributes, to_attributes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@dataclass(frozen=True, slots=True)
class StreamTable:
    """``StreamLog`` in DynamoDB: an item for each chunk."""

    table: "Table"

    def append(self, request_id: str, chunk: StreamChunk, expires: datetime) -> bool:
        """Write a chunk; return False if another writer's is at its place.

        A chunk that is there already, by an earlier call whose answer was lost, counts as written.
        """
        item = to_attributes(request_id, chunk, expires)
        try:
            self.table.put_item(
                Item=item,
                ConditionExpression="attribute_not_exists(#first)",
                ExpressionAttributeNames={"#first": FIRST},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return _same(read_item_found(error), item)
        return True

    def read(self, request_id: str, after: int) -> Sequence[StreamChunk]:
        """Return the chunks that begin after a number."""
        found = read_items(
            self.table.query,
            # As text: boto3's conditions count their placeholders, and many threads read here.
            KeyConditionExpression="#request = :request AND #first > :after",
            ExpressionAttributeNames={"#request": REQUEST, "#first": FIRST},
            ExpressionAttributeValues={":request": request_id, ":after": after},
            ConsistentRead=True,
        )
        return [from_attributes(item) for item in found]


def _same(there: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    return {**there, EXPIRES: 0} == {**item, EXPIRES: 0}
