"""List this machine's processes with their groups and start times."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Entry:
    """A process that has not ended."""

    pid: int
    group: int
    started: str
    """Distinguishes processes that had the same pid one after the other."""


def list_processes() -> dict[int, Entry]:
    """List the processes by pid, without zombies."""
    entries = from_proc() if (PROC / "self" / "stat").exists() else from_ps()
    return {entry.pid: entry for entry in entries}


def from_proc() -> Iterator[Entry]:
    """Read the processes from Linux's ``/proc``."""
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                text = (folder / "stat").read_text(errors="replace")
            except OSError:
                continue  # it has ended
            # The name in brackets may hold anything, so fields are counted after it.
            state, _, group, *fields = text.rpartition(")")[2].split()
            if state not in "ZX":
                yield Entry(int(folder.name), int(group), fields[16])


def from_ps() -> Iterator[Entry]:
    """List the processes with ``ps``, on systems without ``/proc``."""
    columns = ["ps", "-axo", "pid=,pgid=,stat=,lstart="]
    for line in subprocess.run(columns, capture_output=True, check=True, text=True).stdout.split(
        "\n"
    ):
        if line.strip():
            pid, group, state, started = line.split(maxsplit=3)
            if not state.startswith("Z"):
                yield Entry(int(pid), int(group), started)
