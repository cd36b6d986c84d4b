"""The end of a rollout that a step refused, or that failed at a step."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.rollouts.conclude import build

logger = Logger(service="conclude")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    verdict = ready.conclude(event)
    logger.info(verdict["status"], failure=event, verdict=verdict)
    return {**verdict}
