"""POST /batch/models/{model}/jobs, GET /batch/jobs, GET and DELETE /batch/jobs/{id}, …/retry."""

from typing import Any

from serval.bootstrap.batch.batch import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    return ready.reply(event)
