"""Composition root of ``tick``."""

from functools import partial

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.requests import RequestTable
from serval.batch.job.fleet_jobs import FleetJobs
from serval.bootstrap.fleets.control import fleet_control
from serval.fleets.scale.tick import Tick
from serval.fleets.settings import TickSettings


def build() -> Tick:
    """Build what looks at every fleet, once per environment."""
    settings = TickSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region)
    return Tick(
        control=fleet_control(settings, dynamodb),
        store=RequestTable(dynamodb.Table(settings.requests_table)),
        write=partial(print, flush=True),
        jobs=FleetJobs(JobTable(dynamodb.Table(settings.jobs_table))),
    )
