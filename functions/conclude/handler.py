"""Step of a rollout: conclude one that a step refused, or that failed at a step."""

from typing import Any

from serval.bootstrap.rollouts.conclude import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
