"""The processes that a command starts, recorded while they run and ended together."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from serval_cli.failures import CommandFailed
from serval_cli.local.processes.group import ProcessGroup
from serval_cli.local.state_folder import Record, StateFolder


class Ended(CommandFailed):
    """The command is giving up and starts nothing more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: not started, because another step failed")


class StartedProcesses:
    """Starts each process in a session of its own and records it, so that ``down`` can find it."""

    def __init__(self, folder: StateFolder, record: Record) -> None:
        self._folder = folder
        self._record = record
        self._mine: list[ProcessGroup] = []
        self._lock = threading.Lock()
        self._open = True

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        output: int | IO[str],
    ) -> subprocess.Popen[str]:
        """Start a process whose output streams both go to ``output``."""
        with self._lock:
            if not self._open:
                raise Ended(name)
            process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            group = ProcessGroup.of(name, process.pid)
            self._mine.append(group)
            self._remember((*self._record.processes, group))
        return process

    def end_earlier(self, name: str, grace_seconds: float) -> None:
        """End the processes of this name that an earlier command started."""
        for group in [group for group in self._record.processes if group.name == name]:
            group.end(grace_seconds)
            self.forget(group.pid)

    def forget(self, pid: int) -> None:
        """Remove an ended process from the record."""
        with self._lock:
            self._mine = [group for group in self._mine if group.pid != pid]
            self._remember(tuple(one for one in self._record.processes if one.pid != pid))

    def record_functions(self, functions: Mapping[str, str]) -> None:
        """Record the deployed functions."""
        with self._lock:
            self._record = replace(self._record, functions=functions)
            self._folder.write(self._record)

    def end(self) -> None:
        """End the processes started here, newest first, and start no more."""
        with self._lock:
            self._open = False
            mine = list(reversed(self._mine))
        for group in mine:
            group.end()
            self.forget(group.pid)

    def _remember(self, processes: tuple[ProcessGroup, ...]) -> None:
        self._record = replace(self._record, processes=processes)
        self._folder.write(self._record)
