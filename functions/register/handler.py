"""An upload is whole: S3's "Object Created" of a manifest, or of a bare artifact."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger

from serval.bootstrap.register import registration
from serval.object_created import ObjectCreated

logger = Logger(service="register")
ready = registration()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    created = ObjectCreated.from_event(event)
    outcome = asdict(ready.register(created, owner=context.aws_request_id))
    logger.info(outcome["status"], object_key=created.key, outcome=outcome)
    return outcome
