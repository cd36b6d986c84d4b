"""Composition root of ``evaluate``."""

from datetime import timedelta

import boto3

from serval.aws.cloudwatch.alarms import CloudWatchAlarms
from serval.aws.cloudwatch.rollout_metrics import CloudWatchRolloutMetrics
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.bootstrap.events import rollout_events
from serval.bootstrap.function import LambdaFunction
from serval.models.deployed_fleets import Fleets
from serval.rollouts.control import RolloutControl
from serval.rollouts.settings import EvaluateSettings
from serval.rollouts.steps.evaluate import Evaluate


def build() -> LambdaFunction[Evaluate]:
    """Build the function from its environment, once per cold start."""
    settings = EvaluateSettings.from_environment()
    region = settings.aws_region
    table = boto3.resource("dynamodb", region).Table(settings.registry_table)
    registry = DynamoDBRegistry(table)
    cloudwatch = boto3.client("cloudwatch", region)
    events = rollout_events(boto3.client("events", region))
    return LambdaFunction(
        "evaluate",
        Evaluate(
            control=RolloutControl(registry, events.announce),
            registry=registry,
            metrics=CloudWatchRolloutMetrics(cloudwatch),
            alarms=CloudWatchAlarms(cloudwatch),
            metric_lag=timedelta(seconds=settings.metric_lag_seconds),
            paired=Fleets.from_text(settings.fleets).paired,
        ),
        lambda evaluate, event, _: evaluate.evaluate(event["model"], event["rollout"]),
        lambda event, outcome: {"event": event, "outcome": outcome},
    )
