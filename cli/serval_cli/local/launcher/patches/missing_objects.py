"""Hide missing objects from roles that may not list the bucket, as S3 does."""

import uuid
from collections.abc import Mapping
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = (
    "app/SERVICE_HANDLERS/s3",
    "app/extract_access_key_id",
    "app/extract_region",
    "iam_actions/access_denied_response",
    "iam_evaluator/enforce",
)
LIST = "s3:ListBucket"
Reply = tuple[int, dict[str, str], Any]


def apply(emulator: Emulator) -> None:
    """Answer 403 instead of 404 to a role that may not list the bucket."""
    app, handle = emulator.app, emulator.app.SERVICE_HANDLERS["s3"]

    async def answer(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Reply:
        reply: Reply = await handle(method, path, headers, body, query)
        bucket, _, key = path.lstrip("/").partition("/")
        if reply[0] != 404 or method not in ("GET", "HEAD") or not key:
            return reply
        resource = f"arn:aws:s3:::{bucket}"
        caller = app.extract_access_key_id(headers, query)
        region = app.extract_region(headers, query)
        refused = emulator.iam_evaluator.enforce(caller, LIST, "s3", region, resource, {})
        if not hasattr(refused, "decision"):
            return reply
        denied: Reply = emulator.iam_actions.access_denied_response(
            "s3", LIST, refused.principal_arn, str(uuid.uuid4()), resource_arn=resource
        )
        return denied

    app.SERVICE_HANDLERS["s3"] = answer
