"""Composition root of ``register``."""

import boto3

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.artifacts import COPYING, S3Artifacts
from serval.bootstrap.events import rollout_events
from serval.bootstrap.function import LambdaFunction
from serval.rollouts.control import RolloutControl
from serval.rollouts.settings import RegisterSettings
from serval.rollouts.steps.register import Register


def build() -> LambdaFunction[Register]:
    """Build the function from its environment, once per cold start."""
    settings = RegisterSettings.from_environment()
    table = boto3.resource("dynamodb", settings.aws_region).Table(settings.registry_table)
    events = rollout_events(boto3.client("events", settings.aws_region))
    return LambdaFunction(
        "register",
        Register(
            artifacts=S3Artifacts(
                boto3.client("s3", settings.aws_region, config=COPYING), settings.artifact_bucket
            ),
            control=RolloutControl(DynamoDBRegistry(table), events.announce),
        ),
        lambda register, event, _: register.register(event),
        lambda event, outcome: {"rollout": event["upload"]["rollout"], "outcome": outcome},
    )
