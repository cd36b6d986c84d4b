"""Step of a rollout: claim a whole upload, and list its files."""

from typing import Any

from serval.bootstrap.rollouts.claim import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
