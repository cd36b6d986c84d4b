"""Lets rows and objects of the emulator expire, patched: a program for its environment.

Prints the rows and the objects that are left.
"""

import json
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.patches import expiry

TABLE = {
    "TableName": "requests",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
TTL = {"AttributeName": "expires", "Enabled": True}


def fill(emulator: Emulator) -> None:
    """Write ten rows and objects that expire, the last row first, and one of each that stays."""
    dynamodb, s3 = emulator.dynamodb, emulator.s3
    dynamodb._create_table(TABLE)
    dynamodb._update_ttl({"TableName": "requests", "TimeToLiveSpecification": TTL})
    rows: list[dict[str, Any]] = [
        {"id": {"S": f"{number}"}, "expires": {"N": f"{2_000_000_000 + number}"}}
        for number in reversed(range(10))
    ]
    for row in ({"id": {"S": "open"}}, *rows):
        dynamodb._put_item({"TableName": "requests", "Item": row})
    s3._create_bucket("data", b"", {})
    s3._bucket_versioning["data"] = "Enabled"
    for key in ("batch/stays", *(f"async/{number}" for number in range(10))):
        s3._put_object("data", key, key.encode(), {})


def main() -> None:
    emulator = Emulator.load()
    emulator.require(expiry.NAMES)
    fill(emulator)
    expiry.expire_rows(emulator.dynamodb, limit=2)
    expiry.expire_objects(emulator.s3, limit=5, limit_bytes=3 * len("async/0"))
    versions = [key for _, key in emulator.s3._object_versions]
    print(json.dumps(sorted(emulator.dynamodb._tables["requests"]["items"])))
    print(json.dumps([sorted(emulator.s3._buckets["data"]["objects"]), sorted(versions)]))


if __name__ == "__main__":
    main()
