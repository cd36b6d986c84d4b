"""Step of a rollout: make the optimised forms of a verified upload."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.rollouts.optimise import build

logger = Logger(service="optimise")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.optimise(event)
    logger.info(outcome["outcome"], rollout=event["upload"]["rollout"], outcome=outcome)
    return outcome
