"""Keep as many workers as the fleets' rows ask for, until stopped or the stage is gone."""

import json
import logging
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from serval.fleets.state import FleetStates
from serval.models.deployed_fleets import DeployedFleet
from serval_cli.local.aws_client import role_environment
from serval_cli.local.fleets.local_server import LocalServer
from serval_cli.local.fleets.slots import Process, Slot, Slots
from serval_cli.local.fleets.supervision import Supervision, spot_fleets, worker_name
from serval_cli.local.fleets.worker_metrics import WorkerMetrics

POLL_SECONDS = 1.0
GONE_SECONDS = 10.0
"""The emulator counts as gone after this long without an answer."""
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Supervisor:
    """The workers of all spot fleets of the stage."""

    told: Supervision
    states: FleetStates
    metrics: WorkerMetrics
    ending: threading.Event
    """Set to stop the supervisor."""
    fleets: Mapping[str, Slots] = field(init=False)
    _answered: float = field(default_factory=time.monotonic)
    _reported: Any = None

    def __post_init__(self) -> None:
        self.fleets = {
            fleet.name: Slots(partial(self._start, fleet), self.told.stop_seconds)
            for fleet in spot_fleets(self.told.fleets)
        }

    def run(self) -> None:
        """Supervise until stopped, then end every worker."""
        wanted: Mapping[str, int] = dict.fromkeys(self.fleets, 0)
        while not self.ending.wait(POLL_SECONDS):
            wanted = self._read_wanted(wanted)
            self._step(wanted)
        while any(fleet.slots for fleet in self.fleets.values()):
            self._step(dict.fromkeys(self.fleets, 0))
            time.sleep(POLL_SECONDS / 10)
        self._send_metrics()

    def _read_wanted(self, before: Mapping[str, int]) -> Mapping[str, int]:
        """Read the desired numbers of workers, or keep the last ones if the emulator is silent."""
        try:
            found = {
                name: max(self.states.find(name).machines, self.told.fleets.by_name[name].minimum)
                for name in self.fleets
            }
        except (BotoCoreError, ClientError) as error:
            logger.warning("no rows of the fleets: %s", error)
            if time.monotonic() - self._answered > GONE_SECONDS:
                logger.warning("the emulator is gone, so the workers go too")
                self.ending.set()
            return before
        self._answered = time.monotonic()
        return found

    def _step(self, wanted: Mapping[str, int]) -> None:
        for name, fleet in self.fleets.items():
            fleet.step(wanted[name], time.monotonic())
        self._send_metrics()
        self._write_report()

    def _send_metrics(self) -> None:
        try:
            self.metrics.send()
        except (BotoCoreError, ClientError) as error:
            logger.warning("metrics are lost: %s", error)

    def _start(self, fleet: DeployedFleet, number: int) -> Process:
        """Start a worker in this process's group, with which it ends."""
        name = worker_name(fleet.name, number)
        log = self.told.logs / f"{name}.log"
        self.metrics.follow(log)
        server = LocalServer.of(self.told, fleet.name, number)
        with log.open("a") as output:
            process = subprocess.Popen(
                self.told.command,
                env=role_environment(self.told.environment, self.told.credentials(fleet.name))
                | {"FLEET": fleet.name, "WORKER_ID": f"{name}-{time.time_ns():x}"}
                | (server.worker_environment if server else {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        logger.warning("%s: started with pid %s", name, process.pid)
        return server.start_beside(process) if server else process

    def _write_report(self) -> None:
        """Write the report of the workers if it has changed."""
        found = [
            describe_worker(name, slot)
            for name, fleet in self.fleets.items()
            for _, slot in sorted(fleet.slots.items())
        ]
        if found != self._reported:
            replace_file(self.told.status, json.dumps(found, indent=2) + "\n")
            self._reported = found


def describe_worker(fleet: str, slot: Slot) -> dict[str, Any]:
    """Describe a worker for ``status``."""
    return {
        "worker": worker_name(fleet, slot.number),
        "fleet": fleet,
        "state": slot.state,
        "pid": slot.process.pid if slot.process else None,
        "crashes": slot.crashes,
    }


def replace_file(file: Path, text: str) -> None:
    """Replace a file atomically."""
    partial_file = file.with_suffix(".partial")
    partial_file.write_text(text)
    partial_file.replace(file)
