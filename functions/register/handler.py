"""Step of a rollout: register a checked upload as a version, and give it its first share."""

from typing import Any

from serval.bootstrap.rollouts.register import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
