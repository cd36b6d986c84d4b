"""Every ten minutes: recover lost requests, notices, callbacks and fleets."""

from typing import Any

from serval.bootstrap.fleets.sweep import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
