"""Composition root of ``accept``."""

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.job.settings import AcceptSettings
from serval.batch.start.accept import Accept
from serval.bootstrap.events import batch_events
from serval.bootstrap.function import LambdaFunction


def build() -> LambdaFunction[Accept]:
    """Build the function from its environment, once per cold start."""
    settings = AcceptSettings.from_environment()
    region = settings.aws_region
    dynamodb = boto3.resource("dynamodb", region)
    return LambdaFunction(
        "accept",
        Accept(
            objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
            store=JobTable(dynamodb.Table(settings.jobs_table)),
            registry=DynamoDBRegistry(dynamodb.Table(settings.registry_table)),
            announce=batch_events(boto3.client("events", region)).announce,
            data_bucket=settings.data_bucket,
            stage=settings.stage,
        ),
        lambda accept, event, _: accept.accept(event["input"], owner=event["owner"]),
        lambda event, outcome: {"event": event, "outcome": outcome},
    )
