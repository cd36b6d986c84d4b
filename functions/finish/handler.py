"""The end of a batch job that a step refused, that failed, or that was cancelled."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.batch.finish import build

logger = Logger(service="finish")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    verdict = ready.finish(event)
    logger.info(verdict["status"], event=event, verdict=verdict)
    return {**verdict}
