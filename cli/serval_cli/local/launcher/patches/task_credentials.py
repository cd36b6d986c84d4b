"""Serve the credentials of a worker's role at the URL that ECS gives to tasks."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.iam.sessions import Sessions

PATH = "/v2/credentials/"
NAMES = ("app/SERVICE_HANDLERS/imds", "iam/_roles", "sts/register_session")
SESSION = "worker"
LASTS = timedelta(hours=6)
"""Lifetime reported for credentials; refreshed ones are the same."""
Reply = tuple[int, dict[str, str], bytes]


def apply(emulator: Emulator, sessions: Sessions) -> None:
    """Answer with the credentials of the role named by the path."""
    roles = emulator.iam._roles

    async def handle(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Reply:
        role = roles.get(path.removeprefix(PATH)) if path.startswith(PATH) else None
        if role is None:
            return 404, {"Content-Type": "text/plain"}, b"no such role"
        return 200, {"Content-Type": "application/json"}, document(sessions, role["Arn"])

    emulator.app.SERVICE_HANDLERS["imds"] = handle


def document(sessions: Sessions, role: str) -> bytes:
    """Write credentials as ECS does."""
    found = sessions.environment(role, SESSION)
    return json.dumps(
        {
            "AccessKeyId": found["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": found["AWS_SECRET_ACCESS_KEY"],
            "Token": found["AWS_SESSION_TOKEN"],
            "Expiration": (datetime.now(UTC) + LASTS).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "RoleArn": role,
        }
    ).encode()
