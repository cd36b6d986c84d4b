"""Composition root of ``batch``."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.eventbridge.batch_events import BatchEvents
from serval.aws.s3.artifacts import PRESIGNING
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.aws.stepfunctions.executions import BatchExecutions
from serval.batch.job.control import Control
from serval.batch.job.document import JobDocuments
from serval.batch.job.finish import FinishJob
from serval.batch.job.fleet_jobs import out_of_reach
from serval.batch.job.ports import Announce
from serval.batch.job.results import Results
from serval.batch.job.settings import BatchSettings
from serval.batch.start.caps import Caps
from serval.batch.start.estimate import Estimate
from serval.batch.start.job_request import AskedJob
from serval.batch.start.scope import JobAccess, Reach
from serval.batch.start.start import StartJob
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import PATIENCE, build_admission, edge_registry
from serval.http.batch import BatchEndpoint
from serval.models.deployed_fleets import Fleets

if TYPE_CHECKING:
    from serval.batch.plan.plan import Plan


@dataclass(slots=True)
class Preview:
    """Says what a job would take, by the code that plans it."""

    settings: BatchSettings
    objects: S3Objects
    store: JobTable
    registry: DynamoDBRegistry
    announce: Announce
    planning: "Plan | None" = None

    def __call__(self, asked: AskedJob, version: str) -> Estimate:
        """Look at the input of a job."""
        if self.planning is None:
            self.planning = self._planning()
        return self.planning.preview(asked, version)

    def _planning(self) -> "Plan":
        # Only a dry run pays for this import: it samples the input with the shards' own readers.
        from serval.batch.plan.plan import Plan
        from serval.batch.plan.readiness import Readiness

        fleets = Fleets.from_text(self.settings.fleets)
        return Plan(
            readiness=Readiness(
                objects=self.objects,
                store=self.store,
                announce=self.announce,
                fleets=fleets.models,
                take_on=nobody,
                shards_at_once=self.settings.shards_at_once,
            ),
            registry=self.registry,
            memory_mib=self.settings.shard_memory_mib,
            machine_prices=json.loads(self.settings.machine_prices),
            out_of_reach=out_of_reach(fleets),
        )


def nobody(fleet: str, job: str) -> None:
    """Take nothing on: a preview starts nothing."""


def build() -> LambdaFunction[BatchEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = BatchSettings.from_environment()
    region = settings.aws_region
    dynamodb = boto3.resource("dynamodb", region, config=PATIENCE)
    registry = DynamoDBRegistry(dynamodb.Table(settings.registry_table))
    store = JobTable(dynamodb.Table(settings.jobs_table))
    signing = PATIENCE.merge(CONNECTIONS).merge(PRESIGNING)
    objects = S3Objects(boto3.client("s3", region, config=signing))
    announce = BatchEvents(boto3.client("events", region, config=PATIENCE)).announce
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
                Reach.from_text(settings.data_bucket, settings.batch_prefixes),
                Caps(
                    limits=RateLimitTable(registry.table, kind="BATCH", what="start {} batch jobs"),
                    store=store,
                    per_minute=settings.batch_jobs_per_minute,
                    open_jobs=settings.batch_open_jobs,
                    least_shard_bytes=settings.batch_least_shard_bytes,
                ),
            ),
            preview=Preview(settings, objects, store, registry, announce),
            cancel=control.cancel,
            retry=control.retry,
            documents=JobDocuments(store),
            results=Results(objects, store, objects.presign),
            log=print_line,
        ),
    )
