"""The worker's settings, and how much memory and disk its versions may take."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from serval.inference.loaded import Limits
from serval.settings import Settings

CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")
"""The container's memory limit in bytes, or ``max``."""
SHARE = 0.75
"""The share of memory for versions; the rest is for requests and results."""


def limits(memory_mib: int, folder: Path, container: Path = CONTAINER_MEMORY) -> Limits:
    """Return a worker's limits.

    Parameters
    ----------
    memory_mib
        What versions may take of memory; 0: three quarters of what this process may take.
    folder
        Where artifacts are downloaded to.
    """
    memory = memory_mib * 2**20 or int(SHARE * min(_memories(container)))
    return Limits(memory, shutil.disk_usage(folder).free)


def _memories(container: Path) -> Iterable[int]:
    yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        allowed = container.read_text().strip()
    except OSError:
        return
    if allowed.isdecimal():
        yield int(allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings(Settings):
    """Environment of the fleet worker as a server; the stage's containers set it."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset({"host", "port", "uv"})
    """Set by the image, or by the local platform."""

    artifact_bucket: str
    registry_table: str = ""
    """Empty: records are read beside the artifacts, and each caller names a version."""
    stage: str = ""
    """Name of the stage, under which handlers' secrets are."""
    fleet: str = ""
    fleets: str = "{}"
    """JSON of ``serval.models.deployed_fleets.Fleets``."""
    threads: int = 0
    """Threads of a run on the CPU; 0: one for each core."""
    memory_mib: int = 0
    """What versions may take of memory; 0: three quarters of the machine's."""
    server_folder: str = ""
    """Where the inference server beside it takes artifacts from; empty: it brings its own."""
    server_port: int = 0
    """The server's first port; 0: the one that a bundle names."""
    uv: str = ""
    """Path of uv, which installs the packages of handlers; empty: pip does."""
    host: str = "127.0.0.1"
    """Where it listens as a server; the container's image sets all addresses."""
    port: int = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(ServerSettings):
    """Environment of the fleet worker on a spot fleet's machine."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset({"ecs_agent_uri", "uv", "worker_id"})
    """Set by ECS, or by the local platform."""

    stage: str
    fleet: str
    fleets: str
    registry_table: str
    requests_table: str
    streams_table: str
    data_bucket: str
    jobs_table: str = ""
    """Empty: it takes no shards of batch jobs."""
    worker_id: str = ""
    """Empty: the machine's name and some random digits."""
    lease_seconds: int = 60
    """How long a silent worker is taken to be alive."""
    report_seconds: int = 5
    stop_seconds: int = 110
    """How long it may take to stop after SIGTERM; ECS kills it after two minutes."""
    watch_spot: int = 0
    """1: the machine may be reclaimed, and EC2 gives notice."""
    ecs_agent_uri: str = ""
