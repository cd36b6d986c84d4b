"""Step of a batch job: one shard, or as much of it as there is time for."""

from typing import Any

from serval.bootstrap.batch.shard import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
