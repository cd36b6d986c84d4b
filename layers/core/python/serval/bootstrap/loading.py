"""Builds what holds versions in memory, for functions that run models with the SDK at hand."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from serval.aws.s3.artifact_downloads import S3ArtifactDownloads
from serval.bootstrap.log import print_line
from serval.bootstrap.pipelines import pipeline_opening
from serval.durable.hand_over import Machine
from serval.handlers.row_bodies import Ask, distant_handlers
from serval.inference.cpu import cpu_class
from serval.inference.loaded import Limits, LoadedVersions, nobody_else
from serval.inference.runtimes.onnx import graph_opening
from serval.models.route import Route
from serval.models.version import ModelVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def graph_versions(
    find: Callable[[str, str], ModelVersion],
    route: Callable[[str], Route],
    s3: "S3Client",
    artifact_bucket: str,
    memory_mib: int,
    limits: Limits,
    ask: Ask | None = None,
    machine: Machine | None = None,
) -> LoadedVersions:
    """Build what downloads and opens graphs and pipelines, and has handlers run elsewhere.

    Parameters
    ----------
    find, route
        Read a version, and a model's route, from the registry.
    ask
        Asks a handler's own function; None: handlers are asked in another way.
    machine
        What runs durable pipelines, if they come here.
    """
    return LoadedVersions(
        find=find,
        store=S3ArtifactDownloads(s3, artifact_bucket),
        open_model=graph_opening(memory_mib),
        folder=Path(tempfile.mkdtemp(prefix="serval-")),
        limits=limits,
        cpu_class=cpu_class(),
        log=print_line,
        elsewhere=distant_handlers(ask) if ask else nobody_else,
        compose=pipeline_opening(route, machine),
    )
