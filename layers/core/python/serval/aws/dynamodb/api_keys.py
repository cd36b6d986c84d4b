"""API keys in the registry table."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import BotoCoreError, ClientError

from serval.access.api_key import (
    RATE_PER_MINUTE,
    REALTIME_PER_MINUTE,
    ApiKey,
    first_callback_secret,
    hash_api_key,
    new_api_key,
    new_callback_secret,
)
from serval.aws.dynamodb.tables import read_items, write_if
from serval.clock import Clock, timestamp, utc_now
from serval.models.storage import API_KEY, CALLBACK_SECRET, api_key_partition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@dataclass(frozen=True, slots=True)
class ApiKeyStore:
    """Create, find, list and revoke API keys."""

    table: "Table"
    clock: Clock = utc_now

    def create(
        self,
        name: str,
        models: Sequence[str],
        rate_per_minute: int = RATE_PER_MINUTE,
        realtime_per_minute: int = REALTIME_PER_MINUTE,
    ) -> tuple[str, ApiKey]:
        """Create a key for models (``*``: all), or raise ``ValueError`` for a bad scope or rate.

        Returns
        -------
        tuple[str, ApiKey]
            The key's text, which is stored nowhere, and its description.
        """
        text = new_api_key()
        now = timestamp(self.clock())
        key = ApiKey.describe(text, name, models, now, rate_per_minute, realtime_per_minute)
        self.table.put_item(
            Item={
                "pk": api_key_partition(hash_api_key(text)),
                "sk": CALLBACK_SECRET,
                "secret": new_callback_secret(),
            }
        )
        self.table.put_item(
            Item={"pk": api_key_partition(hash_api_key(text)), "sk": API_KEY} | key.to_attributes(),
            ConditionExpression=Attr("pk").not_exists(),
        )
        return text, key

    def find(self, key_hash: str) -> ApiKey | None:
        """Find a key by its hash; None if it is unknown or revoked."""
        answer = self.table.get_item(Key={"pk": api_key_partition(key_hash), "sk": API_KEY})
        if "Item" not in answer:
            return None
        key = ApiKey.from_attributes(answer["Item"])
        return None if key.revoked else key

    def callback_secret(self, key_hash: str) -> bytes:
        """Return the secret that signs a key's callbacks."""
        answer = self.table.get_item(Key={"pk": api_key_partition(key_hash), "sk": CALLBACK_SECRET})
        stored: Any = answer.get("Item", {}).get("secret")
        return first_callback_secret(key_hash) if stored is None else bytes(stored)

    def keys(self) -> Sequence[ApiKey]:
        """List all keys, revoked ones too, oldest first."""
        keys = [ApiKey.from_attributes(item) for item in self._items()]
        return sorted(keys, key=lambda key: (key.created, key.id))

    def revoke(self, key_id: str) -> ApiKey | None:
        """Revoke a key by its id; None if there is none. A second revocation changes nothing."""
        for item in self._items():
            if item["id"] == key_id:
                answer = self.table.update_item(
                    Key={"pk": item["pk"], "sk": API_KEY},
                    UpdateExpression="SET revoked = if_not_exists(revoked, :now)",
                    ConditionExpression=Attr("pk").exists(),
                    ExpressionAttributeValues={":now": timestamp(self.clock())},
                    ReturnValues="ALL_NEW",
                )
                return ApiKey.from_attributes(answer["Attributes"])
        return None

    def mark_used(self, key_hash: str, day: str) -> None:
        """Record the day (YYYY-MM-DD) on which a key was used; unknown keys are left alone.

        A failure is ignored: the next look-up of the key tries again.
        """
        with suppress(ClientError, BotoCoreError):
            write_if(
                self.table.update_item,
                Key={"pk": api_key_partition(key_hash), "sk": API_KEY},
                UpdateExpression="SET last_used = :day",
                ConditionExpression=Attr("pk").exists(),
                ExpressionAttributeValues={":day": day},
            )

    def _items(self) -> Iterator[dict[str, Any]]:
        keys = Attr("sk").eq(API_KEY) & Attr("pk").begins_with(api_key_partition(""))
        return read_items(self.table.scan, FilterExpression=keys)
