"""Capacity: how much memory and disk the versions of a worker may take."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from serval.inference.loaded import Limits

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
