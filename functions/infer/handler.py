"""POST /v2/models/{model}[/versions/{version}]/infer."""

from typing import Any

from serval.bootstrap.realtime.infer import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    return ready.reply(event)
