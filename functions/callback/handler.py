"""Callbacks: send a signed POST about each closed request that has a callback URL."""

from typing import Any

from serval.bootstrap.requests.callback import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
