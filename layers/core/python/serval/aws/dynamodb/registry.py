"""The registry in DynamoDB: models, routes, versions and rollouts in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from serval.aws.dynamodb.tables import read_items, write_if, write_item_if
from serval.errors import ModelNotFound, ModelVersionNotFound, RegistryUnavailable
from serval.models.registry import Rollout
from serval.models.route import Route
from serval.models.storage import META, MODELS_PARTITION, ROUTE, model_partition, version_sort_key
from serval.models.version import PIPELINE, ModelVersion

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

RESERVE_ATTEMPTS = 20
CANCELLED = frozenset({"TransactionCanceledException", "TransactionConflictException"})
Written = Mapping[str, Any]
"""Arguments of one conditional write, the table left out."""


def put_route(model: str, route: Route, expected_revision: int | None) -> Written:
    """Write a route in place of one with a revision; None: in place of none."""
    item = {
        "pk": model_partition(model),
        "sk": ROUTE,
        "stable": route.stable,
        "percent": route.percent,
        "rollout": route.rollout,
        "revision": route.revision,
    }
    if route.candidate is not None:
        item["candidate"] = route.candidate
    if expected_revision is None:
        return {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "Item": item,
        "ConditionExpression": "revision = :expected",
        "ExpressionAttributeValues": {":expected": expected_revision},
    }


def put_rollout(rollout: Rollout) -> Written:
    """Write a rollout's record in place of the one that was read, which may lack a revision."""
    return {
        "Item": {
            "pk": model_partition(rollout.model),
            "sk": f"ROLLOUT#{rollout.rollout}",
            **rollout.written.to_attributes(),
        },
        "ConditionExpression": "attribute_not_exists(pk) OR (#status = :running AND "
        "(revision = :read OR attribute_not_exists(revision)))",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":running": "running", ":read": rollout.revision},
    }


def _rollout(model: str, item: Mapping[str, Any]) -> Rollout:
    return Rollout.from_attributes(model, item["sk"].removeprefix("ROLLOUT#"), item)


@dataclass(frozen=True, slots=True)
class DynamoDBRegistry:
    """``ModelRegistry`` and ``ModelRegistration``; reads see every write made before them."""

    table: "Table"

    def models(self) -> Sequence[str]:
        """List the models that have a route, by name."""
        return [item["sk"] for item in self._query(MODELS_PARTITION)]

    def pipelines(self) -> Sequence[str]:
        """List the models whose newest version is a pipeline, by name."""
        listed = self._query(MODELS_PARTITION)
        return [item["sk"] for item in listed if item.get("runtime") == PIPELINE]

    def route(self, model: str) -> Route:
        """Return a model's route, or raise ``ModelNotFound``."""
        if (item := self._item(model_partition(model), ROUTE)) is None:
            raise ModelNotFound(model)
        return Route.from_attributes(item)

    def version(self, model: str, version: str) -> ModelVersion:
        """Return a version, or raise ``ModelVersionNotFound``."""
        if version.isascii() and version.isdecimal() and len(version) <= 10:
            item = self._item(model_partition(model), version_sort_key(version))
            if item is not None and str(int(version)) == version:
                return ModelVersion.from_json(item["record"])
        raise ModelVersionNotFound(model, version)

    def versions(self, model: str) -> Sequence[ModelVersion]:
        """List a model's versions, oldest first; empty for an unknown model."""
        found = self._query(model_partition(model), "VERSION#")
        return [ModelVersion.from_json(item["record"]) for item in found]

    def rollouts(self, model: str) -> Sequence[Rollout]:
        """List a model's rollouts, newest first; empty for an unknown model."""
        found = self._query(model_partition(model), "ROLLOUT#")
        rollouts = [_rollout(model, item) for item in found]
        return sorted(rollouts, key=lambda rollout: (rollout.created, rollout.rollout))[::-1]

    def rollout(self, model: str, rollout: str) -> Rollout | None:
        """Return one rollout, or None if there is none with that id."""
        item = self._item(model_partition(model), f"ROLLOUT#{rollout}")
        return None if item is None else _rollout(model, item)

    def reserve(self, model: str, digest: str) -> str:
        """Assign the next version to a digest; the same digest always gets the same version."""
        partition = model_partition(model)
        for _ in range(RESERVE_ATTEMPTS):
            known = self._item(partition, f"DIGEST#{digest}")
            if known is not None:
                return str(known["version"])
            meta = self._item(partition, META)
            last = int(meta["counter"]) if meta else 0
            if self._assign(partition, digest, last):
                return str(last + 1)
        raise RegistryUnavailable(
            f"model {model!r}: {RESERVE_ATTEMPTS} attempts to assign a version all met another"
            " writer; the next attempt may succeed"
        )

    def record(self, version: ModelVersion) -> None:
        """Record a version and list its model; a version once recorded is never changed."""
        write_if(
            self.table.put_item,
            Item={
                "pk": model_partition(version.model),
                "sk": version_sort_key(version.version),
                "record": version.to_json(),
            },
            ConditionExpression=Attr("pk").not_exists(),
        )
        listed = {"pk": MODELS_PARTITION, "sk": version.model, "runtime": version.runtime}
        description = str(version.bundle.get("description", ""))
        self.table.put_item(Item={**listed, "description": description})

    def set_route(
        self,
        model: str,
        route: Route,
        expected_revision: int | None,
        rollouts: Sequence[Rollout] = (),
    ) -> bool:
        """Write the route and the rollouts that it affects, all or nothing."""
        return self._transact(
            put_route(model, route, expected_revision), *map(put_rollout, rollouts)
        )

    def record_rollout(self, rollout: Rollout) -> bool:
        """Write a rollout's record with the next revision, unless it has changed or ended."""
        put = put_rollout(rollout)
        return write_item_if(self.table.put_item, put["Item"], **put)

    def _assign(self, partition: str, digest: str, last: int) -> bool:
        """Advance the counter from ``last`` and assign the version to the digest, or do neither."""
        counter = {
            "Key": {"pk": partition, "sk": META},
            "UpdateExpression": "SET #counter = :next",
            "ConditionExpression": "attribute_not_exists(#counter) OR #counter = :last",
            "ExpressionAttributeNames": {"#counter": "counter"},
            "ExpressionAttributeValues": {":next": last + 1, ":last": last},
        }
        assignment = {
            "Item": {"pk": partition, "sk": f"DIGEST#{digest}", "version": str(last + 1)},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        return self._transact(assignment, updates=[counter])

    def _transact(self, *puts: Written, updates: Sequence[Written] = ()) -> bool:
        """Write everything, or nothing and return False if a condition does not hold."""
        name = self.table.name
        writes = [
            *({"Update": {"TableName": name, **update}} for update in updates),
            *({"Put": {"TableName": name, **put}} for put in puts),
        ]
        try:
            self.table.meta.client.transact_write_items(TransactItems=cast(Any, writes))
        except ClientError as error:
            if error.response["Error"]["Code"] in CANCELLED:
                return False
            raise
        return True

    def _item(self, partition: str, sort_key: str) -> dict[str, Any] | None:
        answer = self.table.get_item(Key={"pk": partition, "sk": sort_key}, ConsistentRead=True)
        return answer.get("Item")

    def _query(self, partition: str, prefix: str = "") -> list[dict[str, Any]]:
        partition_key = Key("pk").eq(partition)
        condition = partition_key & Key("sk").begins_with(prefix) if prefix else partition_key
        return list(
            read_items(self.table.query, KeyConditionExpression=condition, ConsistentRead=True)
        )
