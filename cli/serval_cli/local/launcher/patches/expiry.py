"""Rows and objects that expire on AWS after weeks: here sooner, once there are many of them.

Nobody waits for weeks on a laptop, where all of it is in memory; the oldest go first.
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
"""Of objects that the stack's lifecycle rules delete, which the emulator leaves out."""
ROWS = 20_000
"""Of each table, of those that have a time to live: requests that are done."""
OBJECTS = 20_000
OBJECT_BYTES = 512 * 1024 * 1024
PAUSE_SECONDS = 30.0


def apply(emulator: Emulator) -> None:
    """Look again and again."""

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
    """List the rows of a table that have a time to live: when they expire, and their keys."""
    return [
        (float(dynamodb._extract_key_val(row[attribute])), partition, sort)
        for partition, rows in table["items"].items()
        for sort, row in rows.items()
        if attribute in row
    ]


def expire_objects(s3: Any, limit: int = OBJECTS, limit_bytes: int = OBJECT_BYTES) -> None:
    """Delete the objects under the prefixes that were written first, with all their versions."""
    for name, bucket in list(s3._buckets.items()):
        objects = [one for one in list(bucket["objects"].items()) if one[0].startswith(PREFIXES)]
        count, size = len(objects), sum(record["size"] for _, record in objects)
        for key, record in objects:
            if count <= limit and size <= limit_bytes:
                break
            for version in list(s3._object_versions.get((name, key)) or ({"version_id": "null"},)):
                s3._delete_object_version(bucket, name, key, version["version_id"])
            count, size = count - 1, size - record["size"]
