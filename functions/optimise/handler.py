"""Step of a rollout: make the optimised forms of a verified upload."""

from typing import Any

from serval.bootstrap.rollouts.optimise import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
