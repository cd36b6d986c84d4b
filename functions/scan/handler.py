"""Step of a batch job: scan one range of a CSV file for its cuts."""

from typing import Any

from serval.bootstrap.batch.scan import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
