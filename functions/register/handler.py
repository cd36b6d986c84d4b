"""Step of a rollout: a checked upload becomes a version, and gets its first share."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.rollouts.register import build

logger = Logger(service="register")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.register(event)
    logger.info(outcome["outcome"], rollout=event["upload"]["rollout"], outcome=outcome)
    return outcome
