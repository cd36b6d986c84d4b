"""GET and DELETE /async/requests/{id}."""

from typing import Any

from serval.bootstrap.requests.requests import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
