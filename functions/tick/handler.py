"""Every minute while a fleet is awake: how many machines each one is to have."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.fleets.tick import build

logger = Logger(service="build")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.tick()
    logger.info("ticked", outcome=outcome)
    return outcome
