"""ECS cannot place a worker: its fleet turns to on-demand machines."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.fleets.fallback import build
from serval.fleets.scale.fallback import PlacementFailure

logger = Logger(service="build")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Lambda entry point."""
    outcome = ready.fall_back(PlacementFailure.from_event(event))
    logger.info(outcome["outcome"], failure=event, outcome=outcome)
    return outcome
