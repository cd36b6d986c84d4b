"""Composition root of the fleet worker that reads queues."""

import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.dynamodb.streams import StreamTable
from serval.aws.ecs.spot_notice import InstanceMetadata
from serval.aws.ecs.task import EcsTask
from serval.aws.s3.artifact_downloads import S3ArtifactDownloads
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.inbox import QueueInbox
from serval.aws.sqs.queues import SqsCallbackQueue
from serval.aws.sqs.shard_queue import FleetShards
from serval.aws.ssm.secrets import ParameterSecrets
from serval.aws.stepfunctions.task_tokens import StepFunctionsTasks
from serval.batch.shard.tasks import LostShards
from serval.bootstrap.log import print_line
from serval.bootstrap.worker.calls import BEATS_A_LEASE, CALLS, UNANSWERED
from serval.fleets.canaries import Sides
from serval.handlers.declaration import HandlerLimits
from serval.handlers.opening import HandlerOpening
from serval.handlers.packages import PackageFolders
from serval.inference.cpu import cpu_class
from serval.inference.loaded import ArtifactStore, LoadedVersions
from serval.inference.runtimes.accelerators import describe_execution, execution
from serval.inference.runtimes.onnx import Execution
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.route import KnownVersions, VersionRegistry
from serval.models.server_declaration import SERVER_SHARE
from serval.worker.program.assembly import assemble
from serval.worker.program.candidate_check import CandidateCheck
from serval.worker.program.faults import Retries
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.program.machine import NoTask
from serval.worker.program.open_version import OpenVersion
from serval.worker.program.ports import Executors, Ports, WorkerIdentity
from serval.worker.program.server_folder import ServerFolder, size_bytes
from serval.worker.program.servers import Servers
from serval.worker.program.settings import ServerSettings, WorkerSettings, limits
from serval.worker.queue.loop import Intervals, Worker
from serval.worker.shards.process import ShardProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LONGEST_POLL_SECONDS = 20
AFTER_POLLS_SECONDS = 1
"""A stopping worker waits for its polls, and then returns what they have found."""
NOTICE_SECONDS = 5.0
HANDLERS_AT_ONCE = 2
"""Processes of custom Python that may each take their share of the memory: during a rollout both
versions run."""


def worker() -> Worker:
    """Build a worker from its environment."""
    settings = WorkerSettings.from_environment()
    fleet = Fleets.from_text(settings.fleets).by_name[settings.fleet]
    chosen = execution(settings.threads)
    s3: S3Client = boto3.client("s3", settings.aws_region, config=CALLS)
    ports = _ports(settings, s3)
    store = S3ArtifactDownloads(s3, settings.artifact_bucket)
    words = describe_execution(chosen, fleet.accelerator, served=bool(settings.server_folder))
    identity = _identity(settings, fleet, words)
    sides = Sides(identity.worker, fleet, KnownVersions(ports.registry)) if fleet.paired else None
    return assemble(
        ports,
        identity,
        loaded_versions(settings, ports.registry, store, chosen, sides),
        Executors.of_threads(),
        sides,
    )


def loaded_versions(
    settings: ServerSettings,
    registry: VersionRegistry,
    store: ArtifactStore,
    chosen: Execution,
    sides: Sides | None = None,
) -> LoadedVersions:
    """Build what holds versions in memory."""
    folder = Path(tempfile.mkdtemp(prefix="serval-"))
    server_folder = _server_folder(settings)
    servers = Servers(
        KnownVersions(registry).route,
        store,
        CandidateCheck(store).check,
        server_folder,
        port=settings.server_port,
    )
    if sides is not None:
        servers.side = sides.of
    opening = OpenVersion(registry.version, chosen, servers.open, handler_opening(settings, folder))
    loaded = LoadedVersions(
        find=opening.find,
        store=store,
        open_model=opening.open,
        folder=folder,
        limits=limits(settings.memory_mib, folder),
        cpu_class=cpu_class(),
        log=print_line,
        tidy=servers.tidy,
    )
    if server_folder is not None:
        server_folder.let_go = loaded.let_go
    return loaded


def handler_opening(settings: ServerSettings, folder: Path) -> HandlerOpening:
    """Build what runs custom Python: each version in a process that may take half the memory."""
    memory_bytes = limits(settings.memory_mib, folder).memory_bytes
    return HandlerOpening(
        packages=PackageFolders(folder / "packages", settings.uv).install,
        log=print_line,
        secrets=ParameterSecrets(
            boto3.client("ssm", settings.aws_region, config=CALLS), settings.stage
        ),
        limits=HandlerLimits(memory_bytes=memory_bytes // HANDLERS_AT_ONCE),
    )


def _server_folder(settings: ServerSettings) -> ServerFolder | None:
    if not settings.server_folder:
        return None
    folder = Path(settings.server_folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A shard may take a fourth of the rest.
    there_is = shutil.disk_usage(folder).free + size_bytes(folder)
    return ServerFolder(folder, int(SERVER_SHARE * there_is))


def _ports(settings: WorkerSettings, s3: "S3Client") -> Ports:
    region = settings.aws_region
    # Many threads use these tables; what they call of boto3's resources keeps no state but a
    # counter of placeholders, of which each of their conditions has one.
    dynamodb = boto3.resource("dynamodb", region, config=CALLS)
    registry_table = dynamodb.Table(settings.registry_table)
    sqs = boto3.client("sqs", region, config=CALLS)
    return Ports(
        inbox=QueueInbox(sqs, settings.stage),
        store=RequestTable(dynamodb.Table(settings.requests_table)),
        payloads=DataBucket(s3, settings.data_bucket),
        streams=StreamTable(dynamodb.Table(settings.streams_table)),
        callbacks=SqsCallbackQueue(sqs, settings.stage),
        states=FleetTable(registry_table),
        registry=DynamoDBRegistry(registry_table),
        task=EcsTask(settings.ecs_agent_uri, print_line) if settings.ecs_agent_uri else NoTask(),
        spot=InstanceMetadata() if settings.watch_spot else None,
        unanswered=UNANSWERED,
        log=print_line,
        shard_queue=FleetShards(sqs, settings.stage, settings.fleet)
        if settings.jobs_table
        else None,
        shard_runner=partial(_shards, settings),
    )


def _shards(
    settings: WorkerSettings,
    memory: LoadedMemory,
    versions: KnownVersions,
    retries: Retries,
    stopping: Callable[[], bool],
) -> ShardProcess:
    """Build what works on shards of batch jobs."""
    region = settings.aws_region
    store = JobTable(boto3.resource("dynamodb", region, config=CALLS).Table(settings.jobs_table))
    tasks = StepFunctionsTasks(boto3.client("stepfunctions", region, config=CALLS))
    return ShardProcess(
        lost=LostShards(store, tasks),
        load=lambda model, version: memory.load(versions.version(model, version)),
        stopping=stopping,
        retries=retries,
        beat_seconds=settings.lease_seconds / BEATS_A_LEASE,
    )


def poll_seconds(stop_seconds: int) -> int:
    """Return how long a poll of a queue waits for a message: one that stops ends in time."""
    return max(1, min(LONGEST_POLL_SECONDS, stop_seconds - AFTER_POLLS_SECONDS))


def _identity(settings: WorkerSettings, fleet: DeployedFleet, accelerator: str) -> WorkerIdentity:
    return WorkerIdentity(
        worker=settings.worker_id or f"{socket.gethostname()}-{secrets.token_hex(4)}",
        fleet=fleet.name,
        accelerator=accelerator,
        models=fleet.models,
        lease=timedelta(seconds=settings.lease_seconds),
        poll_seconds=poll_seconds(settings.stop_seconds),
        intervals=Intervals(
            beat_seconds=settings.lease_seconds / BEATS_A_LEASE,
            report_seconds=float(settings.report_seconds),
            notice_seconds=NOTICE_SECONDS,
            stop_seconds=float(settings.stop_seconds),
        ),
    )
