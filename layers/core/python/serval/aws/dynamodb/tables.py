"""DynamoDB: reads of all pages, and conditional writes."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_deserializer = TypeDeserializer()


def read_items(
    read: Callable[..., Mapping[str, Any]], **arguments: Any
) -> Iterator[dict[str, Any]]:
    """Yield the items of every page of ``table.query`` or ``table.scan``."""
    while True:
        page = read(**arguments)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def read_newest(table: "Table", index: str, model: str, limit: int) -> Iterator[dict[str, Any]]:
    """Yield at most ``limit`` of a model's items, newest first, from an index by model."""
    found = read_items(
        table.query,
        IndexName=index,
        KeyConditionExpression=Key("model").eq(model),
        ScanIndexForward=False,
        Limit=limit,
    )
    return islice(found, limit)


def is_denied(error: ClientError) -> bool:
    """Check whether a call failed because the role may not make it."""
    return error.response["Error"]["Code"] == "AccessDeniedException"


def write_if(write: Callable[..., Any], **arguments: Any) -> bool:
    """Make a conditional write; return whether its condition held."""
    try:
        write(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


def write_item_if(write: Callable[..., Any], item: Mapping[str, Any], **arguments: Any) -> bool:
    """Make a conditional write that leaves ``item``; return whether its condition held.

    The SDK repeats a write whose answer was lost, and then the write's own first try breaks the
    condition: a repeated write that finds the item as it would leave it has happened.
    """
    try:
        write(**arguments, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        repeated = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
        return repeated and read_item_found(error) == item
    return True


def read_item_found(error: ClientError) -> dict[str, Any]:
    """Return the item that a conditional write found, if it asked for that."""
    response: Mapping[str, Any] = error.response
    found = response.get("Item", {})
    return {name: _deserializer.deserialize(value) for name, value in found.items()}


def describe_update(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``update_item`` that write the differences and nothing else."""
    written = {name: after[name] for name in after if before.get(name) != after[name]}
    removed = [name for name in before if name not in after]
    clauses = []
    if written:
        clauses.append("SET " + ", ".join(f"#{name} = :{name}" for name in written))
    if removed:
        clauses.append("REMOVE " + ", ".join(f"#{name}" for name in removed))
    arguments = {
        "UpdateExpression": " ".join(clauses),
        "ExpressionAttributeNames": {f"#{name}": name for name in (*written, *removed)},
    }
    values = {f":{name}": value for name, value in written.items()}
    return arguments | ({"ExpressionAttributeValues": values} if values else {})
