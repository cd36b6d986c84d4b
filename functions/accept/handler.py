"""Step of a batch job: check what started it, and accept or refuse it."""

from typing import Any

from serval.bootstrap.batch.accept import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
