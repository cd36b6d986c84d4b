"""A SageMaker fleet's endpoint is given what fits its window."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.fleets.dispatch import build

logger = Logger(service="dispatch")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Lambda entry point."""
    outcome = ready.dispatch(event["fleet"], event.get("token", context.aws_request_id))
    logger.info("dispatched", fleet=event["fleet"], outcome=outcome)
    return outcome
