"""Find the condition keys of DynamoDB requests: the partitions and attributes they name."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Keys = dict[str, Any]
Schema = Callable[[str, str | None], str | None]
"""Returns the name of the partition key of a table or of one of its indexes."""
WORD = re.compile(r"(?<![\w.#:])[#:]?[A-Za-z_][\w-]*")
GRAMMAR = {
    *("ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"),
    *("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"),
    *("if_not_exists", "list_append", "size"),
}
EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)


def request_keys(asked: Mapping[str, Any], schema: Schema) -> Keys:
    """Return the condition keys of a request about one table."""
    key = schema(str(asked.get("TableName", "")), asked.get("IndexName"))
    leading = list(partitions(asked, key)) if key else []
    found: Keys = {"dynamodb:LeadingKeys": leading} if leading else {}
    if named := sorted(set(attributes(asked))):
        found["dynamodb:Attributes"] = named
    return found


def batch_keys(asked: Mapping[str, Any], schema: Schema) -> Mapping[str, Keys]:
    """Return the condition keys of a batch, by table."""
    return {
        table: merge_keys(
            request_keys({"TableName": table, **one}, schema) for one in split_batch(wanted)
        )
        for table, wanted in asked["RequestItems"].items()
    }


def partitions(asked: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield the values of the partition key that a request names."""
    for member in ("Key", "Item"):
        if isinstance(item := asked.get(member), Mapping) and key in item:
            yield key_text(item[key])
    names = asked.get("ExpressionAttributeNames") or {}
    values = asked.get("ExpressionAttributeValues") or {}
    condition = str(asked.get("KeyConditionExpression") or "")
    for name, value in re.findall(r"([#\w-]+)\s*=\s*(:[\w-]+)", condition):
        if names.get(name, name) == key and value in values:
            yield key_text(values[value])


def attributes(asked: Mapping[str, Any]) -> Iterator[str]:
    """Yield the top-level attributes that a request names."""
    names = asked.get("ExpressionAttributeNames") or {}
    for member in ("Key", "Item"):
        if isinstance(item := asked.get(member), Mapping):
            yield from item
    yield from asked.get("AttributesToGet") or ()
    for member in EXPRESSIONS:
        for word in WORD.findall(str(asked.get(member) or "")):
            if not word.startswith(":") and word not in GRAMMAR:
                yield names.get(word, word)


def split_batch(wanted: Any) -> Iterator[Mapping[str, Any]]:
    """Split a batch on one table into requests of one item each."""
    if isinstance(wanted, Mapping):
        shared = {name: value for name, value in wanted.items() if name != "Keys"}
        for key in wanted.get("Keys") or ():
            yield {**shared, "Key": key}
        return
    for request in wanted:
        yield from request.values()


def merge_keys(found: Iterable[Keys]) -> Keys:
    """Merge the keys of several requests."""
    whole: Keys = {}
    for keys in found:
        for name, values in keys.items():
            whole[name] = sorted({*whole.get(name, ()), *values})
    return whole


def key_text(value: Mapping[str, Any]) -> str:
    """Return a key's value as text, whether string, number or bytes."""
    return str(next(iter(value.values())))
