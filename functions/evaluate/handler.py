"""Step of a rollout: evaluate the candidate, then hold, step, promote or roll back."""

from typing import Any

from serval.bootstrap.rollouts.evaluate import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
