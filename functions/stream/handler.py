"""The API's paths for models, at a URL that streams."""

from typing import Any

from serval.bootstrap.realtime.stream import build, serve

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)


serve(handler)
