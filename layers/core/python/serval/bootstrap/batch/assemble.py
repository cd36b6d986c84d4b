"""Composition root of ``assemble``."""

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.assemble.assemble import Assemble
from serval.batch.job.settings import AssembleSettings
from serval.bootstrap.events import batch_events
from serval.bootstrap.function import LambdaFunction


def build() -> LambdaFunction[Assemble]:
    """Build the function from its environment, once per cold start."""
    settings = AssembleSettings.from_environment()
    region = settings.aws_region
    return LambdaFunction(
        "assemble",
        Assemble(
            objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
            store=JobTable(boto3.resource("dynamodb", region).Table(settings.jobs_table)),
            announce=batch_events(boto3.client("events", region)).announce,
        ),
        lambda assemble, event, _: assemble.assemble(event["job"]),
    )
