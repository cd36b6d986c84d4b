"""What runs a handler in the function that was deployed for it."""

from pathlib import Path

from serval.bootstrap.log import print_line
from serval.handlers.declaration import MIB, HandlerLimits
from serval.handlers.deployed import FOLDER, DeployedPackages
from serval.handlers.opening import HandlerOpening
from serval.protocol.limits import ENVIRONMENT_MIB

VERSIONS_AT_ONCE = 2
"""During a rollout the processes of both versions run."""


def is_deployed(task_root: str) -> bool:
    """Return whether this function's code was deployed with a handler's packages."""
    return bool(task_root) and (Path(task_root) / FOLDER).is_dir()


def handler_opening(task_root: str, memory_mib: int, load_seconds: float) -> HandlerOpening:
    """Build what opens the model's versions."""
    memory_bytes = (memory_mib - ENVIRONMENT_MIB) * MIB // VERSIONS_AT_ONCE
    return HandlerOpening(
        packages=DeployedPackages(Path(task_root) / FOLDER).of,
        log=print_line,
        limits=HandlerLimits(memory_bytes=memory_bytes, load_seconds=load_seconds),
    )
