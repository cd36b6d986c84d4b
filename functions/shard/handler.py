"""Step of a batch job: run one shard, or as much of it as time allows."""

from typing import Any

from serval.bootstrap.batch.shard import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
