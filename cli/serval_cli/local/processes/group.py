"""A process and everything it started, which can be found again and ended safely."""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from serval_cli.local.processes import table as process_table

GRACE_SECONDS = 5.0
POLL_SECONDS = 0.02


class ProcessesRemain(Exception):
    """Processes survived SIGKILL."""

    def __init__(self, name: str, pids: list[int]) -> None:
        super().__init__(f"{name}: processes {pids} survived SIGKILL")


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A process that leads its own group, identified by its pid and start time."""

    name: str
    pid: int
    started: str

    @classmethod
    def of(cls, name: str, pid: int) -> Self:
        """Describe a process just started in a session of its own."""
        entry = process_table.list_processes().get(pid)
        return cls(name, pid, entry.started if entry else "")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the output of ``dataclasses.asdict``."""
        return cls(str(document["name"]), int(document["pid"]), str(document["started"]))

    def leads(self) -> bool:
        """Return whether the leading process still runs."""
        entry = process_table.list_processes().get(self.pid)
        return entry is not None and entry.started == self.started

    def members(self) -> list[int]:
        """List the processes of the group that still run.

        They belong to this group unless another process has the leader's pid: the system does not
        reuse a pid that still names a group.
        """
        processes = process_table.list_processes()
        leader = processes.get(self.pid)
        if leader is not None and leader.started != self.started:
            return []
        return sorted(entry.pid for entry in processes.values() if entry.group == self.pid)

    def end(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the group with SIGTERM, and with SIGKILL after the grace time."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self.members():
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signum)
                self._await_end(grace_seconds)
        if remaining := self.members():
            raise ProcessesRemain(self.name, remaining)

    def _await_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.members() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
