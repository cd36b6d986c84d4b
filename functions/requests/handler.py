"""GET and DELETE /async/requests/{id}."""

from typing import Any

from serval.bootstrap.requests.requests import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    return ready.reply(event)
