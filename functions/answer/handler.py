"""Async requests of models on Lambda: run what messages of their queue are about."""

from typing import Any

from serval.bootstrap.requests.answer import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
