"""The end of a batch job that a step refused, that failed, or that was cancelled."""

from typing import Any

from serval.bootstrap.batch.finish import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
