"""Shared by ``plan`` and ``cut``: the part that releases a job's shards."""

from typing import Any

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.job.settings import CutSettings
from serval.batch.plan.release import ReleaseShards
from serval.bootstrap.events import batch_events
from serval.fleets.control import FleetControl


def build_release(settings: CutSettings, dynamodb: Any, control: FleetControl) -> ReleaseShards:
    """Build ``ReleaseShards`` from the settings and what the steps share."""
    region = settings.aws_region
    return ReleaseShards(
        objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
        store=JobTable(dynamodb.Table(settings.jobs_table)),
        announce=batch_events(boto3.client("events", region)).announce,
        fleets=control.fleets.models,
        take_on=control.add_job,
        shards_at_once=settings.shards_at_once,
    )
