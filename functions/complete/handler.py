"""An endpoint has ended an inference: its request is closed, and the next one handed over."""

from typing import Any

from serval.bootstrap.fleets.complete import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
