"""POST /v2/models/{model}[/versions/{version}]/infer."""

from typing import Any

from serval.bootstrap.realtime.infer import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
