"""Step of a batch job: finish one that was refused or cancelled, or that failed."""

from typing import Any

from serval.bootstrap.batch.finish import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
