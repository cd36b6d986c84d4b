"""Metadata, readiness, statistics, health and the index; 404 for unknown paths."""

from typing import Any

from serval.bootstrap.realtime.describe import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
