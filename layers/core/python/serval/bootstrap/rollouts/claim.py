"""Composition root of ``claim``."""

import json
from typing import Any

import boto3

from serval.aws.dynamodb.claims import DynamoDBClaims
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.artifacts import PRESIGNING, S3Artifacts
from serval.bootstrap.events import rollout_events
from serval.bootstrap.function import LambdaFunction
from serval.bundles.uploads import Uploads
from serval.foreign import ObjectCreated
from serval.models.resource_names import golden_function_name
from serval.rollouts.control import RolloutControl
from serval.rollouts.settings import ClaimSettings
from serval.rollouts.steps.claim import SHARED, Claim
from serval.settings import pack, unpack


def build() -> LambdaFunction[Claim]:
    """Build the function from its environment, once per cold start."""
    settings = ClaimSettings.from_environment()
    table = boto3.resource("dynamodb", settings.aws_region).Table(settings.registry_table)
    registry = DynamoDBRegistry(table)
    s3 = boto3.client("s3", settings.aws_region, config=PRESIGNING)
    artifacts = S3Artifacts(s3, settings.artifact_bucket)
    events = rollout_events(boto3.client("events", settings.aws_region))
    checked = json.loads(unpack(settings.checked_models))
    return LambdaFunction(
        "claim",
        Claim(
            claims=DynamoDBClaims(table),
            uploads=Uploads(artifacts, registry),
            control=RolloutControl(registry, events.announce),
            presign=artifacts.presign,
            registry=registry,
            golden_functions={SHARED: settings.golden_function}
            | {model: golden_function_name(settings.stage, model) for model in checked},
        ),
        lambda claim, event, _: pack_urls(
            claim.claim(ObjectCreated.from_event(event["event"]), owner=event["owner"])
        ),
        facts,
    )


def pack_urls(outcome: dict[str, Any]) -> dict[str, Any]:
    """Pack presigned URLs, which have the same long session token, for the rollout's state."""
    if "urls" not in outcome:
        return outcome
    return outcome | {"urls": pack(json.dumps(outcome["urls"]))}


def facts(event: Any, outcome: Any) -> dict[str, Any]:
    """Leave out the presigned URLs that an outcome holds."""
    return {
        "upload": event["event"],
        "outcome": outcome["outcome"],
        "reasons": outcome.get("reasons", []),
    }
