"""Composition root of ``tick``."""

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.batch.job.fleet_jobs import FleetJobs
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.log import print_line
from serval.fleets.scale.tick import Tick
from serval.fleets.settings import TickSettings


def build() -> LambdaFunction[Tick]:
    """Build the function from its environment, once per cold start."""
    settings = TickSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region)
    return LambdaFunction(
        "tick",
        Tick(
            control=fleet_control(settings, dynamodb),
            store=RequestTable(dynamodb.Table(settings.requests_table)),
            registry=DynamoDBRegistry(dynamodb.Table(settings.registry_table)),
            write=print_line,
            jobs=FleetJobs(JobTable(dynamodb.Table(settings.jobs_table))),
        ),
        lambda tick, *_: tick.tick(),
    )
