"""POST /async/models/{model}/infer and …/uploads, PUT /async/requests/{id}, POST …/retry."""

from typing import Any

from serval.bootstrap.requests.submit import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
