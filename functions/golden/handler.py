"""Step of a rollout: check the candidate's golden answers before it gets traffic."""

from typing import Any

from serval.bootstrap.rollouts.golden import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
