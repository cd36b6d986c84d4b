"""Notices of endpoints: close the request of an ended inference, and ask for the next one."""

from typing import Any

from serval.bootstrap.fleets.complete import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
