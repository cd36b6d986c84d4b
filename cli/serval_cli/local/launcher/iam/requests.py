"""Add the condition keys of requests that the emulator leaves out."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.iam.item_keys import Keys, batch_keys, request_keys


class KeyedArn(str):
    """The ARN of a resource, with the condition keys that apply to this resource alone."""

    __slots__ = ("keys",)
    keys: Keys

    @classmethod
    def of(cls, arn: str, keys: Keys) -> Self:
        """Attach keys to an ARN."""
        asked = cls(arn)
        asked.keys = keys
        return asked


class Requests:
    """Reads from requests what policies need, completing the emulator's results."""

    def __init__(self, emulator: Emulator) -> None:
        actions = emulator.iam_actions
        self._tables = emulator.dynamodb._tables
        self._arns = actions.dynamodb_resource_arns
        self._transaction = actions.dynamodb_transaction_checks
        self._tags = actions.request_tag_context

    def tables(self, body: bytes, region: str, account: str) -> list[str]:
        """List the tables and indexes that a DynamoDB request names, with their keys."""
        arns = self._arns(body, region, account)
        asked = json.loads(body) if arns else {}
        if "RequestItems" in asked:
            keys = list(batch_keys(asked, self._partition_key).values())
        else:
            keys = [request_keys(asked, self._partition_key)] if arns else []
        return [KeyedArn.of(arn, found) for arn, found in zip(arns, keys, strict=True)]

    def transaction(
        self, action: str, body: bytes, region: str, account: str
    ) -> list[tuple[str, str]]:
        """List the actions of a transaction and their tables, each with its own keys."""
        if not action.startswith("dynamodb:Transact"):
            return []
        return [
            (each, KeyedArn.of(arn, request_keys(asked, self._partition_key)))
            for item in transaction_items(body)
            for asked in item.values()
            for each, arn in self._transaction(action, single_item(item), region, account)
        ]

    def keys(self, service: str, action: str, body: bytes, params: Mapping[str, Any]) -> Keys:
        """Return the condition keys that any service may have."""
        found: Keys = self._tags(service, action, body, params)
        if action == "events:PutEvents":
            entries = json.loads(body)["Entries"]
            found = {
                **found,
                "events:source": shared_value(entry.get("Source", "") for entry in entries),
                "events:detail-type": shared_value(
                    entry.get("DetailType", "") for entry in entries
                ),
            }
        return found

    def _partition_key(self, table: str, index: str | None) -> str | None:
        found = self._tables.get(table.rpartition("/")[2])
        if found is None:
            return None
        indexes = [
            *found.get("GlobalSecondaryIndexes", ()),
            *found.get("LocalSecondaryIndexes", ()),
        ]
        of_index = next((one for one in indexes if one["IndexName"] == index), found)
        keys = (key for key in of_index["KeySchema"] if key["KeyType"] == "HASH")
        return str(next(keys)["AttributeName"])


def transaction_items(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the items of a transaction."""
    asked = json.loads(body or b"{}")
    yield from (item for item in asked.get("TransactItems") or () if isinstance(item, dict))


def single_item(item: Mapping[str, Any]) -> bytes:
    """Write a transaction of one item."""
    return json.dumps({"TransactItems": [item]}).encode()


def shared_value(values: Iterator[str]) -> str | list[str]:
    """Return the value that all entries share, or all of them, which fails a condition on one."""
    found = sorted(set(values))
    return found[0] if len(found) == 1 else found
