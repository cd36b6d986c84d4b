"""Composition root of ``proceed``."""

from functools import cache, partial
from typing import Any

import boto3

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.dynamodb.step_records import StepRecordTable
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.queues import ModelQueues, SqsCallbackQueue
from serval.bootstrap.answer_caching import keep_late, open_answers
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.light_versions import light_versions
from serval.bootstrap.worker.calls import CALLS
from serval.durable.end import EndPipeline
from serval.durable.proceed import Proceed
from serval.durable.step_requests import StepRequests
from serval.models.deployed_fleets import Fleets
from serval.models.metrics import InferenceMetrics
from serval.models.route import KnownStables, KnownVersions
from serval.requests.cancel import Cancel
from serval.requests.retry import Retry
from serval.requests.settings import ProceedSettings
from serval.requests.submit.checks import SubmissionChecks
from serval.requests.submit.submit import Submit


def build() -> LambdaFunction[Proceed]:
    """Build the function from its environment, once per cold start."""
    settings = ProceedSettings.from_environment()
    region = settings.aws_region
    dynamodb = boto3.resource("dynamodb", region, config=CALLS)
    sqs, s3 = boto3.client("sqs", region, config=CALLS), boto3.client("s3", region, config=CALLS)
    registry = KnownVersions(DynamoDBRegistry(dynamodb.Table(settings.registry_table)))
    requests = dynamodb.Table(settings.requests_table)
    store, records = RequestTable(requests), StepRecordTable(requests)
    payloads, fleets = DataBucket(s3, settings.data_bucket), Fleets.from_text(settings.fleets)
    callbacks = SqsCallbackQueue(sqs, settings.stage)
    cancel = Cancel(store, callbacks, records)
    submit = Submit(
        checks=SubmissionChecks(fleets, registry.version),
        store=store,
        payloads=payloads,
        queue=ModelQueues(sqs, settings.stage, fleets.models),
        waker=fleet_control(settings, dynamodb),
    )
    metrics, versions = InferenceMetrics(write=print_line), light_versions(settings, registry, s3)
    versions.count_failed_steps = metrics.count_failed_steps
    answers = None
    if table := settings.answers_table:
        answers = cache(partial(open_answers, settings, table, settings.data_bucket, metrics))
        versions.with_cache = partial(keep_late, answers)
    proceed = Proceed(
        records=records,
        payloads=payloads,
        registry=registry,
        versions=versions,
        stable=KnownStables(registry.route),
        requests=StepRequests(
            store=store,
            payloads=payloads,
            submit=submit,
            route=registry.route,
            retry=Retry(store, payloads, submit.announce).retry,
            cancel=cancel.cancel_left,
            answers=answers,
        ),
        end=EndPipeline(
            store=store,
            callbacks=callbacks,
            steps=cancel,
            route=registry.route,
            metrics=metrics,
        ),
    )
    return LambdaFunction("proceed", proceed, reply, facts)


def reply(proceed: Proceed, event: Any, context: Any) -> Any:
    """Answer the state machine."""
    return proceed.reply(event)


def facts(event: Any, outcome: Any) -> dict[str, Any]:
    """Name the request and the step."""
    return {"pipeline_request": event["request"], "step": event.get("step"), "outcome": outcome}
