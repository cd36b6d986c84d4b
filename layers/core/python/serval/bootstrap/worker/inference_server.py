"""Composition root of the fleet worker as a server."""

import threading
import time
from typing import TYPE_CHECKING

import boto3
import uvicorn

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.artifact_downloads import S3ArtifactDownloads
from serval.aws.s3.artifact_records import ArtifactRecords
from serval.bootstrap.worker.calls import CALLS
from serval.bootstrap.worker.worker import loaded_versions
from serval.inference.runtimes.accelerators import execution
from serval.models.deployed_fleets import Fleets
from serval.models.route import KnownVersions, VersionRegistry
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.program.settings import ServerSettings
from serval.worker.serve.gather import Gather
from serval.worker.serve.server import InferenceServer, application

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STOP_SECONDS = 25
"""How long open requests may take after SIGTERM; SageMaker kills 30 seconds after it."""


def serve() -> None:
    """Serve until SIGTERM."""
    settings = ServerSettings.from_environment()
    s3: S3Client = boto3.client("s3", settings.aws_region, config=CALLS)
    registry = _registry(settings, s3)
    store = S3ArtifactDownloads(s3, settings.artifact_bucket)
    loaded = loaded_versions(settings, registry, store, execution(settings.threads))
    gather = Gather(LoadedMemory(loaded), time.monotonic)
    threading.Thread(target=gather.run, name="run", daemon=True).start()
    fleet = Fleets.from_text(settings.fleets).by_name.get(settings.fleet)
    server = InferenceServer(
        KnownVersions(registry, time.monotonic), gather, fleet.models if fleet else ()
    )
    uvicorn.run(
        application(server),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _registry(settings: ServerSettings, s3: "S3Client") -> VersionRegistry:
    if not settings.registry_table:
        return ArtifactRecords(s3, settings.artifact_bucket)
    dynamodb = boto3.resource("dynamodb", settings.aws_region, config=CALLS)
    return DynamoDBRegistry(dynamodb.Table(settings.registry_table))
