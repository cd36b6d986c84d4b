"""Step of a rollout: an upload is whole; who works on it, and which files it has."""

from typing import Any

from serval.bootstrap.rollouts.claim import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
