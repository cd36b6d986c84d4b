"""Composition root of ``shard``."""

import json
from typing import Any

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.eventbridge.detection_events import DetectionEvents
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.job.layout import ShardItem
from serval.batch.job.settings import ShardSettings
from serval.batch.shard.handlers import ShardVersions
from serval.batch.shard.work import ShardWork
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.loading import graph_versions
from serval.bootstrap.other_functions import signed_functions
from serval.inference.loaded import Limits
from serval.models.resource_names import inference_function_name
from serval.settings import unpack

RUNNER = "lambda"
MIB = 2**20
ANSWER_SECONDS = 60.0
"""Twice what a model's own function has for a call."""
ATTEMPTS = 9
"""At a call while Lambda is throttled: about 25 s, after which Step Functions waits longer."""


def build() -> LambdaFunction[ShardWork]:
    """Build the function from its environment, once per cold start."""
    settings = ShardSettings.from_environment()
    region, memory_mib = settings.aws_region, settings.aws_lambda_function_memory_size
    dynamodb = boto3.resource("dynamodb", region)
    s3 = boto3.client("s3", region, config=CONNECTIONS)
    find = DynamoDBRegistry(dynamodb.Table(settings.registry_table)).version
    loaded = graph_versions(
        find,
        s3,
        settings.artifact_bucket,
        memory_mib,
        Limits.of_function(memory_mib, settings.ephemeral_storage_mib),
    )
    names = {
        model: inference_function_name(settings.stage, model)
        for model in json.loads(unpack(settings.handlers))
    }
    handlers = signed_functions(settings, names, ANSWER_SECONDS, ATTEMPTS)
    return LambdaFunction(
        "shard",
        ShardWork(
            objects=S3Objects(s3),
            store=JobTable(dynamodb.Table(settings.jobs_table)),
            load=ShardVersions(find, loaded.get, handlers.ask).load,
            send=DetectionEvents(boto3.client("events", region)).send,
            runner=RUNNER,
            memory_mib=memory_mib,
            disk_bytes=settings.ephemeral_storage_mib * MIB,
        ),
        run,
        facts,
    )


def run(work: ShardWork, event: Any, context: Any) -> Any:
    """Work on a shard for as long as Lambda leaves time."""
    item, resume = ShardItem.from_json(event["shard"]), event.get("went", {}).get("resume")
    return work.run(item, resume, lambda: context.get_remaining_time_in_millis() / 1e3)


def facts(event: Any, outcome: Any) -> dict[str, Any]:
    """Name the shard."""
    return {"job": event["shard"]["job"], "shard": event["shard"]["shard"], "outcome": outcome}
