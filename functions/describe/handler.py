"""Metadata, readiness, statistics, health, the index, and 404 for what nobody serves."""

from typing import Any

from serval.bootstrap.realtime.describe import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
