"""Composition root of ``plan``."""

import json

import boto3

from serval.aws.batch_events import BatchEvents
from serval.aws.batch_objects import CONNECTIONS, S3Objects
from serval.aws.jobs import JobTable
from serval.aws.registry import DynamoDBRegistry
from serval.batch.fleet_models import out_of_reach
from serval.batch.planning import Planning
from serval.batch.settings import PlanSettings
from serval.bootstrap.fleet_control import job_control
from serval.fleets.deployed import Fleets


def planning() -> Planning:
    """Build what ``plan`` needs from its environment."""
    settings = PlanSettings.from_environment()
    region = settings.aws_region
    dynamodb = boto3.resource("dynamodb", region)
    fleets = Fleets.from_json(settings.fleets)
    return Planning(
        objects=S3Objects(boto3.client("s3", region, config=CONNECTIONS)),
        store=JobTable(dynamodb.Table(settings.jobs_table)),
        registry=DynamoDBRegistry(dynamodb.Table(settings.registry_table)),
        announce=BatchEvents(boto3.client("events", region)).announce,
        memory_mib=settings.shard_memory_mib,
        fleets=fleets.models,
        machine_prices=json.loads(settings.machine_prices),
        take_on=job_control(settings, dynamodb).take_on,
        out_of_reach=out_of_reach(fleets),
    )
