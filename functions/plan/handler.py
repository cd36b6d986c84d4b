"""Step of a batch job: from its input to shards, or to ranges that are scanned first."""

from typing import Any

from serval.bootstrap.batch.plan import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
