"""Step of a batch job: plan shards of the input, or ranges to be scanned first."""

from typing import Any

from serval.bootstrap.batch.plan import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
