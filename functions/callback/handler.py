"""Messages about closed requests: a signed POST to whoever wants to be told."""

from typing import Any

from serval.bootstrap.requests.callback import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
