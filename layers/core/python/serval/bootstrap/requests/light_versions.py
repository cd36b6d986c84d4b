"""Builds the models that async requests on Lambda run on, for ``answer`` and ``proceed``."""

from typing import TYPE_CHECKING

from serval.bootstrap.loading import graph_versions
from serval.durable.hand_over import Machine
from serval.handlers.row_bodies import Ask
from serval.inference.loaded import Limits, LoadedVersions
from serval.models.route import VersionRegistry, on_lambda
from serval.requests.settings import LightModelSettings, answer_requests_mib

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def light_versions(
    settings: LightModelSettings,
    registry: VersionRegistry,
    s3: "S3Client",
    ask: Ask | None = None,
    machine: Machine | None = None,
) -> LoadedVersions:
    """Build what async requests of models on Lambda run on, within their function's memory."""
    memory_mib = settings.aws_lambda_function_memory_size
    return graph_versions(
        on_lambda(registry.version),
        registry.route,
        s3,
        settings.artifact_bucket,
        memory_mib,
        Limits.of_function(
            memory_mib, settings.ephemeral_storage_mib, answer_requests_mib(memory_mib)
        ),
        ask,
        machine,
    )
