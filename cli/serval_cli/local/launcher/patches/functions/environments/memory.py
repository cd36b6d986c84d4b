"""The memory of an environment: what its processes have resident.

Resident memory, not address space: ONNX Runtime and the allocators map far more than they use.
Pages of mapped files count in full although processes here share them, as each environment on
Lambda is a machine of its own.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
KIB = 1024


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs."""

    pid: int
    parent: int
    resident_bytes: int


def peak_bytes(pid: int) -> int:
    """Read the most that a process ever had resident, or what it has where nobody recorded that.

    Linux records it, so nothing is missed between two looks. A process that ended has none.
    """
    try:
        fields = (PROC / str(pid) / "status").read_text(errors="replace").split()
        return int(fields[fields.index("VmHWM:") + 1]) * KIB
    except (OSError, ValueError):
        return 0


def running() -> list[Process]:
    """List the machine's processes."""
    found = psutil.process_iter(["pid", "ppid", "memory_info"])
    return [
        Process(info["pid"], info["ppid"], memory.rss)
        for info in (one.info for one in found)
        if (memory := info["memory_info"]) is not None  # None: another user's, on macOS
    ]


def descendants(pid: int, processes: Iterable[Process]) -> list[Process]:
    """Find what a process started, and what that started."""
    children: dict[int, list[Process]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
    found = list(children.get(pid, ()))
    for process in found:
        found += children.get(process.pid, ())
    return found


def kill(pid: int) -> None:
    """End a process and all its descendants at once."""
    for one in (pid, *(process.pid for process in descendants(pid, running()))):
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
