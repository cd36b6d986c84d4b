"""Every minute while a fleet is awake: decide how many machines each fleet has."""

from typing import Any

from serval.bootstrap.fleets.tick import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
