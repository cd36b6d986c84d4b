"""What runs a handler in the function that was deployed for it."""

from pathlib import Path

from serval.aws.signed.addresses import service_url
from serval.aws.signed.client import SignedClient
from serval.aws.signed.secrets import SignedSecrets
from serval.bootstrap.log import print_line
from serval.handlers.declaration import MIB, HandlerLimits
from serval.handlers.deployed import FOLDER, DeployedPackages
from serval.handlers.opening import HandlerOpening
from serval.protocol.limits import ENVIRONMENT_MIB
from serval.rollouts.settings import GoldenSettings
from serval.settings import InferSettings

VERSIONS_AT_ONCE = 2
"""During a rollout the processes of both versions run."""


def is_deployed(task_root: str) -> bool:
    """Return whether this function's code was deployed with a handler's packages."""
    return bool(task_root) and (Path(task_root) / FOLDER).is_dir()


def handler_opening(
    settings: InferSettings | GoldenSettings, load_seconds: float
) -> HandlerOpening:
    """Build what opens the model's versions."""
    memory_mib, region = settings.aws_lambda_function_memory_size, settings.aws_region
    memory_bytes = (memory_mib - ENVIRONMENT_MIB) * MIB // VERSIONS_AT_ONCE
    ssm = SignedClient(
        service="ssm",
        region=region,
        credentials=settings.credentials,
        endpoint_url=settings.aws_endpoint_url or service_url("ssm", region),
    )
    return HandlerOpening(
        packages=DeployedPackages(Path(settings.lambda_task_root) / FOLDER).of,
        log=print_line,
        secrets=SignedSecrets(ssm, settings.stage),
        limits=HandlerLimits(memory_bytes=memory_bytes, load_seconds=load_seconds),
    )
