"""Builds what makes async requests of the rows of batch jobs of durable pipelines."""

from typing import TYPE_CHECKING, Any

import boto3

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.dynamodb.step_records import StepRecordTable
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.queues import ModelQueues, SqsCallbackQueue
from serval.batch.job.settings import ShardSettings
from serval.durable.step_requests import StepRequests
from serval.fleets.ports import NoFleets
from serval.models.deployed_fleets import Fleets
from serval.requests.cancel import Cancel
from serval.requests.retry import Retry
from serval.requests.submit.checks import SubmissionChecks
from serval.requests.submit.submit import Submit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def step_requests(
    settings: ShardSettings, dynamodb: Any, s3: "S3Client", registry: DynamoDBRegistry
) -> StepRequests:
    """Build it; the requests are of a model on Lambda, whatever the pipeline's steps are."""
    table, sqs = dynamodb.Table(settings.requests_table), boto3.client("sqs", settings.aws_region)
    store, payloads = RequestTable(table), DataBucket(s3, settings.data_bucket)
    submit = Submit(
        checks=SubmissionChecks(Fleets({}), registry.version),
        store=store,
        payloads=payloads,
        queue=ModelQueues(sqs, settings.stage, fleet_models=()),
        waker=NoFleets(),
    )
    callbacks = SqsCallbackQueue(sqs, settings.stage)
    return StepRequests(
        store=store,
        payloads=payloads,
        submit=submit,
        route=registry.route,
        retry=Retry(store, payloads, submit.announce).retry,
        cancel=Cancel(store, callbacks, StepRecordTable(table)).cancel_left,
    )
