"""An endpoint has ended an inference: its request is closed, and the next one handed over."""

from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.fleets.complete import build

logger = Logger(service="complete")
ready = build()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> list[dict[str, str]]:
    """Lambda entry point."""
    ended = ready.complete(event)
    logger.info("completed", ended=ended)
    return ended
