"""Step of a batch job: from what the scans found to shards."""

from typing import Any

from serval.bootstrap.batch.cut import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
