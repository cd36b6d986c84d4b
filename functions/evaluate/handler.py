"""A look at a rollout that has a share of the traffic: hold, step, promote or roll back."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.rollouts.evaluate import build

logger = Logger(service="evaluate")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.evaluate(event["model"], event["rollout"])
    logger.info(outcome["status"], rollout=event, outcome=outcome)
    return {**outcome}
