"""The golden check of a rollout: the candidate answers before it gets traffic."""

from typing import Any

from serval.bootstrap.rollouts.golden import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    return ready.check(event)
