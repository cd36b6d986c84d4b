"""Measure the memory of an environment: the resident memory of its processes.

Address space would say little, since ONNX Runtime and the allocators map far more than they use.
Mapped files count in full although processes share them here: on Lambda each environment is a
machine of its own.
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
    """A running process."""

    pid: int
    parent: int
    resident_bytes: int


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had resident; 0 if that is unknown.

    Linux records the peak, so nothing is missed between two looks. An ended process has none.
    """
    try:
        fields = (PROC / str(pid) / "status").read_text(errors="replace").split()
        return int(fields[fields.index("VmHWM:") + 1]) * KIB
    except (OSError, ValueError):
        return 0


def list_processes() -> list[Process]:
    """List this machine's processes."""
    found = psutil.process_iter(["pid", "ppid", "memory_info"])
    return [
        Process(info["pid"], info["ppid"], memory.rss)
        for info in (one.info for one in found)
        if (memory := info["memory_info"]) is not None  # None: another user's process on macOS
    ]


def descendants(pid: int, processes: Iterable[Process]) -> list[Process]:
    """Find the children of a process, their children, and so on."""
    children: dict[int, list[Process]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
    found = list(children.get(pid, ()))
    for process in found:
        found += children.get(process.pid, ())
    return found


def kill(pid: int) -> None:
    """Kill a process and all its descendants."""
    for one in (pid, *(process.pid for process in descendants(pid, list_processes()))):
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
