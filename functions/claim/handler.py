"""Step of a rollout: an upload is whole; who works on it, and which files it has."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.rollouts.claim import build
from serval.object_created import ObjectCreated

logger = Logger(service="claim")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.claim(ObjectCreated.from_event(event["event"]), owner=event["owner"])
    # Never the outcome itself: it holds presigned URLs.
    logger.info(outcome["outcome"], upload=event["event"], reasons=outcome.get("reasons", []))
    return outcome
