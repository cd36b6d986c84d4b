"""Step of a rollout: a checked upload becomes a version, and gets its first share."""

from typing import Any

from serval.bootstrap.rollouts.register import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
