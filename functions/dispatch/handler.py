"""Hand a SageMaker fleet's requests to its endpoint, as many as fit its window."""

from typing import Any

from serval.bootstrap.fleets.dispatch import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
