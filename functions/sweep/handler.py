"""Every ten minutes: requests, notices, callbacks and fleets that were lost go on."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.fleets.sweep import build

logger = Logger(service="build")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.sweep()
    logger.info("swept", outcome=outcome)
    return outcome
