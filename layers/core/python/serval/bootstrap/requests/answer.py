"""Composition root of ``answer``."""

import secrets
from datetime import timedelta
from functools import partial
from typing import Any

import boto3

from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.dynamodb.streams import StreamTable
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.delivered import read_delivered, reply_to_delivery
from serval.aws.sqs.inbox import QueueInbox
from serval.aws.sqs.queues import SqsCallbackQueue
from serval.aws.stepfunctions.executions import PipelineExecutions
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.log import print_line
from serval.bootstrap.other_functions import handler_functions
from serval.bootstrap.requests.light_versions import light_versions
from serval.bootstrap.worker.calls import BEATS_A_LEASE, CALLS, UNANSWERED
from serval.models.deployed_fleets import LAMBDA
from serval.requests.settings import AnswerSettings
from serval.worker.program.assembly import WorkerParts
from serval.worker.program.machine import NoTask
from serval.worker.program.ports import Executors, Ports, WorkerIdentity
from serval.worker.queue.deliveries import DeliveredInbox, Deliveries
from serval.worker.queue.loop import Intervals

LEASE = timedelta(seconds=60)
BEAT_SECONDS = LEASE.total_seconds() / BEATS_A_LEASE


def build() -> LambdaFunction[Deliveries]:
    """Build the function from its environment, once per cold start."""
    settings = AnswerSettings.from_environment()
    region = settings.aws_region
    dynamodb = boto3.resource("dynamodb", region, config=CALLS)
    sqs, s3 = boto3.client("sqs", region, config=CALLS), boto3.client("s3", region, config=CALLS)
    registry_table = dynamodb.Table(settings.registry_table)
    registry = DynamoDBRegistry(registry_table)
    inbox = DeliveredInbox(QueueInbox(sqs, settings.stage, fleet_models=()))
    parts = WorkerParts.of(
        Ports(
            inbox=inbox,
            store=RequestTable(dynamodb.Table(settings.requests_table)),
            payloads=DataBucket(s3, settings.data_bucket),
            streams=StreamTable(dynamodb.Table(settings.streams_table)),
            callbacks=SqsCallbackQueue(sqs, settings.stage),
            states=FleetTable(registry_table),
            registry=registry,
            task=NoTask(),
            spot=None,
            unanswered=UNANSWERED,
            log=print_line,
        ),
        identity(),
        light_versions(
            settings,
            registry,
            s3,
            handler_functions(settings, settings.stage, settings.handlers).ask,
            PipelineExecutions(
                boto3.client("stepfunctions", region, config=CALLS), settings.pipelines_machine
            ),
        ),
        Executors.of_threads(),
    )
    return LambdaFunction("answer", deliveries(parts, inbox), answer, facts)


def identity() -> WorkerIdentity:
    """Name this environment in the rows of what it runs."""
    return WorkerIdentity(
        worker=f"{LAMBDA}-{secrets.token_hex(8)}",
        fleet=LAMBDA,
        accelerator="",
        models=(),
        lease=LEASE,
        poll_seconds=0,
        intervals=Intervals(
            beat_seconds=BEAT_SECONDS, report_seconds=0.0, notice_seconds=0.0, stop_seconds=0.0
        ),
    )


def deliveries(parts: WorkerParts, inbox: DeliveredInbox) -> Deliveries:
    """Build the use case of a worker's parts."""
    return Deliveries(
        inbox=inbox,
        holdings=parts.holdings,
        waiting=parts.waiting,
        prepare=parts.prepare(),
        runner=parts.runner(),
        finish=parts.finish,
        streams=parts.streams,
        heartbeat=parts.heartbeat(),
        counts=parts.counts,
        beat_seconds=parts.identity.intervals.beat_seconds,
    )


def answer(deliveries: Deliveries, event: Any, context: Any) -> Any:
    """Answer the requests that an event's messages are about."""
    seconds = context.get_remaining_time_in_millis() / 1e3
    return reply_to_delivery(event, partial(deliveries.answer, seconds=seconds))


def facts(event: Any, outcome: Any) -> dict[str, Any]:
    """Name the requests."""
    ids = [read_delivered(record).request_id for record in event["Records"]]
    return {"requests": ids, "outcome": outcome}
