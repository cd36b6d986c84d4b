"""Composition root of ``scan``."""

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.job.settings import ScanSettings
from serval.batch.plan.scan import Scan


def build() -> Scan:
    """Build what ``scan`` needs from its environment."""
    settings = ScanSettings.from_environment()
    region = settings.aws_region
    return Scan(
        objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
        store=JobTable(boto3.resource("dynamodb", region).Table(settings.jobs_table)),
    )
