"""Step of a rollout: a checked upload becomes a version, and gets its first share."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.rollouts.register import build
from serval.bundles.uploads import Upload

logger = Logger(service="register")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    upload = Upload.from_json(event["upload"])
    outcome = ready.register(upload, event["verified"], event["optimised"], event["golden"])
    logger.info(outcome["outcome"], rollout=upload.rollout, outcome=outcome)
    return outcome
