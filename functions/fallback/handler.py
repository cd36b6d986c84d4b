"""Turn a fleet to on-demand machines when ECS cannot place a worker."""

from typing import Any

from serval.bootstrap.fleets.fallback import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
