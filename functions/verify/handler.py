"""Step of a rollout: artifacts are untrusted input; this function has no rights of its own."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.rollouts.verify import build
from serval.bundles.uploads import Upload

logger = Logger(service="verify")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.verify(Upload.from_json(event["upload"]), event["urls"])
    logger.info(outcome["outcome"], rollout=event["upload"]["rollout"], outcome=outcome)
    return outcome
