"""Step of a batch job: cut the input into shards by what the scans found."""

from typing import Any

from serval.bootstrap.batch.cut import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
