"""POST /batch/models/{model}/jobs, GET /batch/jobs, GET and DELETE /batch/jobs/{id}, …/retry."""

from typing import Any

from serval.bootstrap.batch.batch import build

ready = build()


def handler(event: Any, context: Any) -> Any:
    """Lambda entry point."""
    return ready.handle(event, context)
