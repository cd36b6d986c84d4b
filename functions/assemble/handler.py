"""Step of a batch job: assemble one output in the order of the input, and a summary."""

from typing import Any

from serval.bootstrap.batch.assemble import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
