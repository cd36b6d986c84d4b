"""Composition root of ``register``."""

import boto3

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.eventbridge.rollout_events import RolloutEvents
from serval.aws.s3.artifacts import S3Artifacts
from serval.rollouts.control import RolloutControl
from serval.rollouts.settings import RegisterSettings
from serval.rollouts.steps.register import Register


def build() -> Register:
    """Build what ``register`` needs from its environment."""
    settings = RegisterSettings.from_environment()
    table = boto3.resource("dynamodb", settings.aws_region).Table(settings.registry_table)
    events = RolloutEvents(boto3.client("events", settings.aws_region))
    return Register(
        artifacts=S3Artifacts(boto3.client("s3", settings.aws_region), settings.artifact_bucket),
        control=RolloutControl(DynamoDBRegistry(table), events.announce),
    )
