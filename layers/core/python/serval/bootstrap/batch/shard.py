"""Composition root of ``shard``."""

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.eventbridge.detection_events import DetectionEvents
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.batch.job.asked_versions import AskedVersions
from serval.batch.job.job import BatchJob
from serval.batch.job.layout import ShardItem
from serval.batch.job.settings import ShardSettings
from serval.batch.shard.work import ShardWork
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.loading import graph_versions
from serval.bootstrap.other_functions import handler_functions
from serval.inference.loaded import Limits
from serval.inference.runtimes import Model
from serval.models.version import ModelVersion

if TYPE_CHECKING:
    from serval.durable.step_requests import StepRequests

RUNNER = "lambda"
MIB = 2**20


def build() -> LambdaFunction[ShardWork]:
    """Build the function from its environment, once per cold start."""
    settings = ShardSettings.from_environment()
    region, memory_mib = settings.aws_region, settings.aws_lambda_function_memory_size
    dynamodb = boto3.resource("dynamodb", region)
    s3 = boto3.client("s3", region, config=CONNECTIONS)
    registry = DynamoDBRegistry(dynamodb.Table(settings.registry_table))
    loaded = graph_versions(
        registry.version,
        registry.route,
        s3,
        settings.artifact_bucket,
        memory_mib,
        Limits.of_function(memory_mib, settings.ephemeral_storage_mib),
        handler_functions(settings, settings.stage, settings.handlers).ask,
    )
    return LambdaFunction(
        "shard",
        ShardWork(
            objects=S3Objects(s3),
            store=JobTable(dynamodb.Table(settings.jobs_table)),
            load=loaded.get,
            send=DetectionEvents(boto3.client("events", region)).send,
            ask=partial(ask_rows, cache(partial(open_requests, settings, dynamodb, s3, registry))),
            runner=RUNNER,
            memory_mib=memory_mib,
            disk_bytes=settings.ephemeral_storage_mib * MIB,
        ),
        run,
        facts,
    )


def open_requests(
    settings: ShardSettings, dynamodb: Any, s3: Any, registry: DynamoDBRegistry
) -> "StepRequests":
    """Build what makes async requests, for the first job of a durable pipeline."""
    # Imported for a job of a durable pipeline: all others do without.
    from serval.bootstrap.batch.pipeline_rows import step_requests

    return step_requests(settings, dynamodb, s3, registry)


def ask_rows(
    requests: Callable[[], "StepRequests"],
    record: ModelVersion,
    job: BatchJob,
    may_wait: Callable[[], bool],
    asked: AskedVersions,
) -> Model:
    """Return a durable pipeline as a model that makes async requests of a job's rows."""
    # Imported as above.
    from serval.durable.batch_rows import RequestedRows

    return RequestedRows(
        record=record, job=job, requests=requests(), may_wait=may_wait, asked=asked
    )


def run(work: ShardWork, event: Any, context: Any) -> Any:
    """Work on a shard for as long as Lambda leaves time."""
    item, resume = ShardItem.from_json(event["shard"]), event.get("went", {}).get("resume")
    return work.run(item, resume, lambda: context.get_remaining_time_in_millis() / 1e3)


def facts(event: Any, outcome: Any) -> dict[str, Any]:
    """Name the shard."""
    return {"job": event["shard"]["job"], "shard": event["shard"]["shard"], "outcome": outcome}
