"""Composition root of ``batch``."""

import json
from typing import TYPE_CHECKING

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.artifacts import PRESIGNING
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.aws.stepfunctions.executions import BatchExecutions
from serval.batch.assemble.finish import FinishJob
from serval.batch.assemble.results import Results
from serval.batch.job.document import JobDocuments
from serval.batch.job.fleet_jobs import unreachable_models
from serval.batch.job.settings import BatchSettings
from serval.batch.start.caps import Caps
from serval.batch.start.control import Control
from serval.batch.start.scope import AddressScope, JobAccess
from serval.batch.start.start import StartJob
from serval.bootstrap.events import batch_events
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import PATIENCE, build_admission, edge_registry
from serval.http.batch import BatchEndpoint
from serval.models.deployed_fleets import Fleets

if TYPE_CHECKING:
    from serval.batch.plan.plan import Plan


def preview_plan(
    settings: BatchSettings, objects: S3Objects, store: JobTable, registry: DynamoDBRegistry
) -> "Plan":
    """Build ``Plan`` for a preview, which announces nothing and starts no fleet."""
    # Only dry runs import this: it samples the input with the shards' own readers.
    from serval.batch.plan.plan import Plan
    from serval.batch.plan.release import ReleaseShards

    fleets = Fleets.from_text(settings.fleets)
    return Plan(
        release_shards=ReleaseShards(
            objects=objects,
            store=store,
            announce=lambda job: None,
            fleets=fleets.models,
            take_on=lambda fleet, job: None,
            shards_at_once=settings.shards_at_once,
        ),
        registry=registry,
        memory_mib=settings.shard_memory_mib,
        machine_prices=json.loads(settings.machine_prices),
        unreachable=unreachable_models(fleets),
    )


def build() -> LambdaFunction[BatchEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = BatchSettings.from_environment()
    region = settings.aws_region
    dynamodb = boto3.resource("dynamodb", region, config=PATIENCE)
    registry = DynamoDBRegistry(dynamodb.Table(settings.registry_table))
    store = JobTable(dynamodb.Table(settings.jobs_table))
    signing = PATIENCE.merge(CONNECTIONS).merge(PRESIGNING)
    objects = S3Objects(boto3.client("s3", region, config=signing))
    announce = batch_events(boto3.client("events", region, config=PATIENCE)).announce
    executions = BatchExecutions(
        boto3.client("stepfunctions", region, config=PATIENCE), settings.batch_machine
    )
    control = Control(store, executions, announce, FinishJob(objects, store, announce))
    return http_function(
        "batch",
        BatchEndpoint(
            admission=build_admission(settings, edge_registry(settings)),
            access=JobAccess(store, registry.models),
            start_job=StartJob(
                store,
                executions,
                announce,
                AddressScope.from_text(settings.data_bucket, settings.batch_prefixes),
                Caps(
                    limits=RateLimitTable(registry.table, kind="BATCH", what="start {} batch jobs"),
                    store=store,
                    per_minute=settings.batch_jobs_per_minute,
                    open_jobs=settings.batch_open_jobs,
                    least_shard_bytes=settings.batch_least_shard_bytes,
                ),
            ),
            preview=lambda request, version: preview_plan(
                settings, objects, store, registry
            ).preview(request, version),
            cancel=control.cancel,
            retry=control.retry,
            documents=JobDocuments(store),
            results=Results(objects, store, objects.presign),
            log=print_line,
        ),
    )
