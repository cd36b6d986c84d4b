"""Expire rows and objects early, once there are many of them.

On AWS they expire after weeks; here everything is in memory. The oldest go first.
"""

import heapq
import threading
import time
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = (
    "dynamodb/_extract_key_val",
    "dynamodb/_lock",
    "dynamodb/_remove_item",
    "dynamodb/_tables",
    "dynamodb/_ttl_settings",
    "s3/_buckets",
    "s3/_delete_object_version",
    "s3/_object_versions",
)
PREFIXES = ("async/", "async-out/")
"""Prefixes with lifecycle rules on AWS, which the emulator does not apply."""
ROWS = 20_000
"""Limit per table, for rows with a time to live: finished requests."""
OBJECTS = 20_000
OBJECT_BYTES = 512 * 1024 * 1024
PAUSE_SECONDS = 30.0


def apply(emulator: Emulator) -> None:
    """Check the limits periodically, in a thread."""

    def run() -> None:
        while True:
            time.sleep(PAUSE_SECONDS)
            expire_rows(emulator.dynamodb)
            expire_objects(emulator.s3)

    threading.Thread(target=run, daemon=True, name="expiry").start()


def expire_rows(dynamodb: Any, limit: int = ROWS) -> None:
    """Delete the rows that would expire first, down to the limit."""
    with dynamodb._lock:
        for (*scope, name), setting in list(dynamodb._ttl_settings.all_items()):
            table = dynamodb._tables.get_scoped(*scope, name)
            if table and setting.get("TimeToLiveStatus") == "ENABLED":
                rows = expiring(dynamodb, table, setting["AttributeName"])
                for _, partition, sort in heapq.nsmallest(len(rows) - limit, rows):
                    dynamodb._remove_item(table, partition, sort)


def expiring(dynamodb: Any, table: Any, attribute: str) -> list[tuple[float, str, str]]:
    """List a table's expiring rows as expiry time, partition key and sort key."""
    return [
        (float(dynamodb._extract_key_val(row[attribute])), partition, sort)
        for partition, rows in table["items"].items()
        for sort, row in rows.items()
        if attribute in row
    ]


def expire_objects(s3: Any, limit: int = OBJECTS, limit_bytes: int = OBJECT_BYTES) -> None:
    """Delete the oldest objects under the prefixes, with all their versions."""
    for name, bucket in list(s3._buckets.items()):
        objects = [one for one in list(bucket["objects"].items()) if one[0].startswith(PREFIXES)]
        count, size = len(objects), sum(record["size"] for _, record in objects)
        for key, record in objects:
            if count <= limit and size <= limit_bytes:
                break
            for version in list(s3._object_versions.get((name, key)) or ({"version_id": "null"},)):
                s3._delete_object_version(bucket, name, key, version["version_id"])
            count, size = count - 1, size - record["size"]
