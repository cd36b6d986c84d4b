"""Every minute while a fleet is awake: how many machines each one is to have."""

from typing import Any

from serval.bootstrap.fleets.tick import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
