"""Composition root of ``plan``."""

import json

import boto3

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.batch.job.fleet_jobs import unreachable_models
from serval.batch.job.settings import PlanSettings
from serval.batch.plan.plan import Plan
from serval.bootstrap.batch.release import build_release
from serval.bootstrap.fleets.control import job_control
from serval.bootstrap.function import LambdaFunction


def build() -> LambdaFunction[Plan]:
    """Build the function from its environment, once per cold start."""
    settings = PlanSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region)
    control = job_control(settings, dynamodb)
    return LambdaFunction(
        "plan",
        Plan(
            release_shards=build_release(settings, dynamodb, control),
            registry=DynamoDBRegistry(dynamodb.Table(settings.registry_table)),
            memory_mib=settings.shard_memory_mib,
            machine_prices=json.loads(settings.machine_prices),
            unreachable=unreachable_models(control.fleets),
        ),
        lambda plan, event, _: plan.plan(event["job"]),
    )
