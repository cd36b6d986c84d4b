"""Every ten minutes: requests, notices, callbacks and fleets that were lost go on."""

from typing import Any

from serval.bootstrap.fleets.sweep import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
