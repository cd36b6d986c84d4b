"""ECS cannot place a worker: its fleet turns to on-demand machines."""

from typing import Any

from serval.bootstrap.fleets.fallback import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
