"""What the fleet worker reads from its environment.

Capacity: how much memory and disk the versions of a worker may take.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from serval.inference.loaded import Limits
from serval.settings import Settings

CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")
"""What a container may take, in bytes, or ``max``."""
SHARE = 0.75
"""Of the memory that there is; the rest is for requests and results under way."""


def limits(memory_mib: int, folder: Path, container: Path = CONTAINER_MEMORY) -> Limits:
    """Give a worker's limits.

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
    """Environment of the fleet worker as a server, which a container of the stage's must name."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset({"host", "port"})
    """Set by the image, or by the local platform."""

    artifact_bucket: str
    registry_table: str = ""
    """Empty: records are read beside the artifacts, and versions are named by whoever calls."""
    fleet: str = ""
    fleets: str = "{}"
    """JSON of ``serval.models.deployed_fleets.Fleets``."""
    threads: int = 0
    """Of a run on the processor; 0: as many as it has cores."""
    memory_mib: int = 0
    """What versions may take of memory; 0: three quarters of the machine's."""
    server_folder: str = ""
    """Where artifacts are left for an inference server beside it; empty: it has its own."""
    host: str = "127.0.0.1"
    """Where it listens as a server; a container's image says everywhere."""
    port: int = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(ServerSettings):
    """Environment of the fleet worker on a spot fleet's machine."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset({"ecs_agent_uri", "worker_id"})
    """Set by ECS, or by the local platform."""

    stage: str
    fleet: str
    fleets: str
    registry_table: str
    requests_table: str
    data_bucket: str
    jobs_table: str = ""
    """Empty: it works on no shards of batch jobs."""
    worker_id: str = ""
    """Empty: the machine's name and some random digits."""
    lease_seconds: int = 60
    """How long a worker that has fallen silent is taken to be alive."""
    report_seconds: int = 5
    stop_seconds: int = 110
    """How long after SIGTERM it has ended; ECS kills it after two minutes."""
    watch_spot: int = 0
    """1: the machine may be reclaimed, and EC2 gives notice."""
    ecs_agent_uri: str = ""
