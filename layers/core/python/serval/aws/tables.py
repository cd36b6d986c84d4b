"""DynamoDB: every page of a read, and conditional writes that say whether they happened."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError


def items(read: Callable[..., Mapping[str, Any]], **arguments: Any) -> Iterator[dict[str, Any]]:
    """Give the items of every page of ``table.query`` or ``table.scan``."""
    while True:
        page = read(**arguments)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def happened(write: Callable[..., Any], **arguments: Any) -> bool:
    """Make a conditional write; False when its condition did not hold."""
    try:
        write(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True
