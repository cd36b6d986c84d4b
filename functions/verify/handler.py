"""Step of a rollout: verify an upload, which is untrusted, without rights of its own."""

from typing import Any

from serval.bootstrap.rollouts.verify import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
