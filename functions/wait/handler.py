"""POST /v2/models/{model}[/versions/{version}]/infer of a model on a fleet."""

from typing import Any

from serval.bootstrap.requests.wait import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
