"""Composition root of ``scan``."""

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.job.layout import RangeItem
from serval.batch.job.settings import ScanSettings
from serval.batch.plan.cut import Scan
from serval.bootstrap.function import LambdaFunction


def build() -> LambdaFunction[Scan]:
    """Build the function from its environment, once per cold start."""
    settings = ScanSettings.from_environment()
    region = settings.aws_region
    return LambdaFunction(
        "scan",
        Scan(
            objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
            store=JobTable(boto3.resource("dynamodb", region).Table(settings.jobs_table)),
        ),
        lambda scan, event, _: scan.scan(RangeItem.from_json(event["range"])),
        lambda event, outcome: {"range": event["range"], "outcome": outcome},
    )
