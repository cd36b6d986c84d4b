"""Proceed with a durable pipeline: name its next steps, run one, or end it."""

from typing import Any

from serval.bootstrap.requests.proceed import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
