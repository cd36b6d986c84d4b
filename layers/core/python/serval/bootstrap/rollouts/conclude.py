"""Composition root of ``conclude``."""

import boto3

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.bootstrap.events import rollout_events
from serval.bootstrap.function import LambdaFunction
from serval.rollouts.control import RolloutControl
from serval.rollouts.settings import ConcludeSettings
from serval.rollouts.steps.conclude import Conclude


def build() -> LambdaFunction[Conclude]:
    """Build the function from its environment, once per cold start."""
    settings = ConcludeSettings.from_environment()
    table = boto3.resource("dynamodb", settings.aws_region).Table(settings.registry_table)
    registry = DynamoDBRegistry(table)
    events = rollout_events(boto3.client("events", settings.aws_region))
    return LambdaFunction(
        "conclude",
        Conclude(RolloutControl(registry, events.announce), registry),
        lambda conclude, event, _: conclude.conclude(event),
        lambda event, outcome: {"event": event, "outcome": outcome},
    )
