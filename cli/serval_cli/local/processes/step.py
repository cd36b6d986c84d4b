"""Run a program as a step of ``up``, logging its output."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serval_cli.local.log_files import StepFailed
from serval_cli.local.processes.started import StartedProcesses


def ignore(line: str) -> None:
    """Do nothing with a line."""


@dataclass(frozen=True, slots=True)
class StepProcesses:
    """Runs programs, each with its own log file."""

    started: StartedProcesses
    logs: Path

    def run(
        self,
        step: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        said: Callable[[str], None] = ignore,
    ) -> None:
        """Run a program and pass on each line it prints, or raise ``StepFailed``."""
        log = self.logs / f"{step}.log"
        process = self.started.start(
            step, command, environment=environment, folder=folder, output=subprocess.PIPE
        )
        with process, log.open("w", buffering=1) as file:
            for line in process.stdout or ():
                file.write(line)
                said(line)
        self.started.forget(process.pid)
        if process.returncode != 0:
            raise StepFailed(step, log, f"ended with {process.returncode}")
