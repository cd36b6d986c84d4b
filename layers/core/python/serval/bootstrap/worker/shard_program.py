"""Composition root of the shard process.

``python -m serval.bootstrap.worker.shard_program SOCKET`` runs it.
"""

import shutil
import socket
import sys
import tempfile
import threading
from functools import partial

import boto3

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.eventbridge.detection_events import DetectionEvents
from serval.aws.s3.batch_objects import S3Objects
from serval.aws.stepfunctions.task_tokens import StepFunctionsTasks
from serval.batch.shard.tasks import ShardTasks
from serval.batch.shard.work import ShardWork
from serval.bootstrap.log import print_line
from serval.bootstrap.worker.calls import BEATS_A_LEASE, CALLS, UNANSWERED
from serval.processes import prefer_for_oom_kill
from serval.worker.program.faults import Retries
from serval.worker.program.settings import WorkerSettings
from serval.worker.shards.line import Channel
from serval.worker.shards.models import RemoteModels
from serval.worker.shards.program import ShardProgram, watch

DISK_SHARE = 4
"""A shard may fill a fourth of the free disk."""


def shard_program(channel: Channel, stopping: threading.Event) -> ShardProgram:
    """Build the program from the environment of its worker."""
    settings = WorkerSettings.from_environment()
    region = settings.aws_region
    store = JobTable(boto3.resource("dynamodb", region, config=CALLS).Table(settings.jobs_table))
    work = ShardWork(
        objects=S3Objects(boto3.client("s3", region, config=CALLS)),
        store=store,
        load=RemoteModels(channel).load,
        send=DetectionEvents(boto3.client("events", region, config=CALLS)).send,
        runner=settings.worker_id or socket.gethostname(),
        memory_mib=0,
        disk_bytes=shutil.disk_usage(tempfile.gettempdir()).free // DISK_SHARE,
    )
    tasks = StepFunctionsTasks(boto3.client("stepfunctions", region, config=CALLS))
    beat_seconds = settings.lease_seconds / BEATS_A_LEASE
    shards = ShardTasks(work, store, tasks, beat_seconds, stopping.is_set)
    return ShardProgram(channel, shards.run, Retries(UNANSWERED, stopping.wait, print_line))


def main(number: str) -> None:
    """Work on shards until the worker is gone."""
    prefer_for_oom_kill()
    stopping = threading.Event()
    threading.Thread(target=partial(watch, sys.stdin.fileno(), stopping), daemon=True).start()
    shard_program(Channel(socket.socket(fileno=int(number))), stopping).run()


if __name__ == "__main__":
    main(sys.argv[1])
