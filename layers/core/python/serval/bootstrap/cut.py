"""Composition root of ``cut``."""

import boto3

from serval.aws.batch_events import BatchEvents
from serval.aws.batch_objects import CONNECTIONS, S3Objects
from serval.aws.jobs import JobTable
from serval.batch.cutting import Cutting
from serval.batch.settings import CutSettings
from serval.bootstrap.fleet_control import job_control


def cutting() -> Cutting:
    """Build what ``cut`` needs from its environment."""
    settings = CutSettings.from_environment()
    region = settings.aws_region
    dynamodb = boto3.resource("dynamodb", region)
    control = job_control(settings, dynamodb)
    return Cutting(
        objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
        store=JobTable(dynamodb.Table(settings.jobs_table)),
        announce=BatchEvents(boto3.client("events", region)).announce,
        fleets=control.fleets.models,
        take_on=control.take_on,
    )
