"""The server beside a worker on the laptop, where no image is run: a declared command."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serval.fleets.server_script import server_script
from serval_cli.local.fleets.slots import Process
from serval_cli.local.fleets.supervision import Supervision, worker_name

PORTS_A_WORKER = 4
"""Workers of a fleet share the laptop's ports, where each has a machine for itself on AWS."""
KEPT = ("PATH", "LANG", "TZ")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """How the server of one worker is started."""

    command: str
    port: int
    folder: Path
    log: Path

    @classmethod
    def of(cls, told: Supervision, fleet: str, number: int) -> Self | None:
        """Find the server of a fleet's worker; None if it has none here."""
        declared = told.servers.get(fleet)
        if declared is None:
            return None
        name = worker_name(fleet, number)
        return cls(
            command=declared["command"],
            port=declared["port"] + PORTS_A_WORKER * (number - 1),
            folder=told.server_folders / name,
            log=told.logs / f"server-{name}.log",
        )

    @property
    def worker_environment(self) -> dict[str, str]:
        """Return what the worker has to know of it."""
        return {"SERVER_FOLDER": str(self.folder), "SERVER_PORT": str(self.port)}

    def start_beside(self, worker: Process) -> "WorkerWithServer":
        """Start what runs its processes, without the worker's rights."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as output:
            server = subprocess.Popen(
                ["sh", "-c", server_script(self.command, str(self.folder))],
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return WorkerWithServer(worker, server)


@dataclass(frozen=True, slots=True)
class WorkerWithServer:
    """A worker whose server goes when it has gone."""

    worker: Process
    server: Process

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self.worker.pid

    def poll(self) -> int | None:
        """Return the worker's exit status; None while it runs, or its server does."""
        status = self.worker.poll()
        if status is not None and self.server.poll() is None:
            self.server.terminate()
            return None
        return status

    def terminate(self) -> None:
        """Ask the worker to stop."""
        self.worker.terminate()

    def kill(self) -> None:
        """Kill both."""
        self.worker.kill()
        self.server.kill()
