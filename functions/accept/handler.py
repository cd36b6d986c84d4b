"""Step of a batch job: what started it, and whether it can be."""

from typing import Any

from serval.bootstrap.batch.accept import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
