"""What ``infer`` reads from AWS, through signed requests of the standard library."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from serval.access.api_key import ApiKey
from serval.aws.signed.client import ATTEMPTS, TRANSIENT, AwsRefused, AwsUnavailable, SignedClient
from serval.aws.signed.dynamodb import call_dynamodb
from serval.errors import (
    ArtifactUnavailable,
    ModelVersionNotFound,
    RegistryUnavailable,
)
from serval.models.digests import RunningDigest
from serval.models.route import Route
from serval.models.storage import (
    API_KEY,
    ROUTE,
    api_key_partition,
    model_partition,
    record_key,
    version_sort_key,
)
from serval.models.version import ModelVersion, locate_published

CHUNK_BYTES = 1 << 20
Item = dict[str, dict[str, str]]
"""An item as DynamoDB's wire format has it: attribute → {type: value}."""


@dataclass(frozen=True, slots=True)
class EdgeRegistry:
    """The registry's reads on the hot path, and the one write: a key's last-used day."""

    table: str
    dynamodb: SignedClient
    today: Callable[[], str]

    def key_and_route(self, key_hash: str, model: str) -> tuple[ApiKey | None, Route | None]:
        """Read an API key and a model's route in one request."""
        found = self._read(
            [(api_key_partition(key_hash), API_KEY), (model_partition(model), ROUTE)]
        )
        key_item = found.get(api_key_partition(key_hash))
        route_item = found.get(model_partition(model))
        key = ApiKey.from_attributes(strip_types(key_item)) if key_item else None
        if key is not None and key.revoked is None and key.last_used != self.today():
            self._note_use(key_hash)
        if key is not None and key.revoked is not None:
            key = None
        return key, Route.from_attributes(strip_types(route_item)) if route_item else None

    def route(self, model: str) -> Route | None:
        """Read a model's route."""
        item = self._read([(model_partition(model), ROUTE)]).get(model_partition(model))
        return Route.from_attributes(strip_types(item)) if item else None

    def version(self, model: str, version: str) -> ModelVersion:
        """Read a version's record."""
        item = self._read([(model_partition(model), version_sort_key(version))])
        if not item:
            raise ModelVersionNotFound(model, version)
        return ModelVersion.from_json(item[model_partition(model)]["record"]["S"])

    def _read(self, keys: Iterable[tuple[str, str]]) -> dict[str, Item]:
        wanted = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys]
        answer = self._call("BatchGetItem", {"RequestItems": {self.table: {"Keys": wanted}}})
        if answer.get("UnprocessedKeys"):
            raise RegistryUnavailable("the registry is throttled: try again")
        return {item["pk"]["S"]: item for item in answer["Responses"].get(self.table, [])}

    def _note_use(self, key_hash: str) -> None:
        """Record that a key is used today; a failure does not fail the request.

        It is tried once: whoever looks the key up next tries again.
        """
        with suppress(RegistryUnavailable):
            self._mark(key_hash)

    def _mark(self, key_hash: str) -> None:
        key = {"pk": {"S": api_key_partition(key_hash)}, "sk": {"S": API_KEY}}
        self._call(
            "UpdateItem",
            {
                "TableName": self.table,
                "Key": key,
                "UpdateExpression": "SET last_used = :today",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeValues": {":today": {"S": self.today()}},
            },
            attempts=1,
        )

    def _call(self, operation: str, request: dict[str, Any], attempts: int = ATTEMPTS) -> Any:
        return call_registry(self.dynamodb, operation, request, attempts)


def call_registry(
    dynamodb: SignedClient, operation: str, request: dict[str, Any], attempts: int = ATTEMPTS
) -> Any:
    """Call DynamoDB; return what it answers.

    Raises
    ------
    RegistryUnavailable
        If it refuses, or does not answer.
    """
    try:
        return call_dynamodb(dynamodb, operation, request, attempts)
    except AwsRefused as error:
        raise RegistryUnavailable(f"the registry refused {operation}: {error}") from error
    except (AwsUnavailable, *TRANSIENT) as error:
        raise RegistryUnavailable(f"the registry did not answer: {error}") from error


def strip_types(item: Item) -> dict[str, str]:
    """Return an item's attributes without their DynamoDB types."""
    return {name: value for name, typed in item.items() for value in typed.values()}


@dataclass(frozen=True, slots=True)
class EdgeArtifacts:
    """Downloads artifacts, verifying each while it streams."""

    s3: SignedClient
    """A client whose endpoint is the bucket's."""
    locate: Callable[[ModelVersion, str], tuple[str, str | None]] = locate_published
    """Returns the key and the version id of a file; None is the newest version of the object."""

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        """Download one file of a version; it appears under its name only when it is whole.

        Raises
        ------
        ArtifactUnavailable
            If it is gone, cut short or not what was published.
        """
        key, version_id = self.locate(record, path)
        query = f"versionId={quote(version_id, safe='-_.~')}" if version_id else ""
        expected = record.file(path)
        digest = RunningDigest(like=expected.sha256)
        partial = destination.with_name(destination.name + ".partial")
        try:
            response = self.s3.request("GET", f"/{key}", {}, query=query)
            with partial.open("wb") as file:
                while chunk := response.read(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
        except (AwsRefused, AwsUnavailable, *TRANSIENT) as error:
            lost = isinstance(error, AwsRefused)
            raise ArtifactUnavailable(
                record.model, record.version, f"{key}: {error}", lost=lost
            ) from error
        if (found := digest.digest()) != expected.sha256:
            raise ArtifactUnavailable(
                record.model,
                record.version,
                f"{key} has sha256 {found}, published was {expected.sha256}",
                lost=True,
            )
        partial.rename(destination)


@dataclass(frozen=True, slots=True)
class EdgeRecords:
    """Reads records of versions from the artifact bucket, for those that read no table."""

    s3: SignedClient
    """A client whose endpoint is the bucket's."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Read a version's record.

        Raises
        ------
        RegistryUnavailable
            If it cannot be read.
        """
        key = record_key(model, version)
        try:
            return ModelVersion.from_json(self.s3.request("GET", f"/{key}", {}).read().decode())
        except (AwsRefused, AwsUnavailable, *TRANSIENT) as error:
            raise RegistryUnavailable(f"{key}: {error}") from error
