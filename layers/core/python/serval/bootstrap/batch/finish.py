"""Composition root of ``finish``."""

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.assemble.finish import FinishJob
from serval.batch.job.settings import FinishSettings
from serval.bootstrap.events import batch_events
from serval.bootstrap.function import LambdaFunction


def build() -> LambdaFunction[FinishJob]:
    """Build the function from its environment, once per cold start."""
    settings = FinishSettings.from_environment()
    region = settings.aws_region
    return LambdaFunction(
        "finish",
        FinishJob(
            objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
            store=JobTable(boto3.resource("dynamodb", region).Table(settings.jobs_table)),
            announce=batch_events(boto3.client("events", region)).announce,
        ),
        lambda finish, event, _: finish.finish(event),
        lambda event, outcome: {"event": event, "outcome": outcome},
    )
