"""Step of a batch job: what started it, and whether it can be."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.accept import accepting

logger = Logger(service="accept")
ready = accepting()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.accept(event["input"], owner=event["owner"])
    logger.info(outcome["outcome"], event=event, outcome=outcome)
    return outcome
