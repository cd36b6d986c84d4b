"""The settings that ``serval local up`` passes to the workers' supervisor."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from serval.models.deployed_fleets import DeployedFleet, Fleets


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """Which fleets have workers, and how to run a worker."""

    endpoint: str
    registry_table: str
    fleets: Fleets
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """Environment of every worker; its fleet, id and credentials URL are added."""
    roles: Mapping[str, str]
    """Fleet → the name of its workers' role."""
    servers: Mapping[str, Mapping[str, Any]]
    """Fleet → the ``command`` and first ``port`` of the server beside each of its workers."""
    server_folders: Path
    """Where each server's folder is, by the name of its worker."""
    stop_seconds: int
    """Time a worker has to return unfinished work."""
    logs: Path
    status: Path
    """File that reports the workers."""

    def to_json(self) -> str:
        """Write the settings as ``from_json`` reads them."""
        return json.dumps(
            {
                "endpoint": self.endpoint,
                "registry_table": self.registry_table,
                "fleets": self.fleets.to_text(),
                "command": self.command,
                "environment": dict(self.environment),
                "roles": dict(self.roles),
                "servers": {name: dict(server) for name, server in self.servers.items()},
                "server_folders": str(self.server_folders),
                "stop_seconds": self.stop_seconds,
                "logs": str(self.logs),
                "status": str(self.status),
            }
        )

    def credentials(self, fleet: str) -> str:
        """Return the URL at which a fleet's workers fetch the credentials of their role."""
        return f"{self.endpoint}/v2/credentials/{self.roles[fleet]}"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read settings written by ``to_json``."""
        document = json.loads(text)
        return cls(
            endpoint=document["endpoint"],
            registry_table=document["registry_table"],
            fleets=Fleets.from_text(document["fleets"]),
            command=tuple(document["command"]),
            environment=document["environment"],
            roles=document["roles"],
            servers=document["servers"],
            server_folders=Path(document["server_folders"]),
            stop_seconds=document["stop_seconds"],
            logs=Path(document["logs"]),
            status=Path(document["status"]),
        )


def spot_fleets(fleets: Fleets) -> list[DeployedFleet]:
    """List the fleets that have workers; SageMaker runs its own servers."""
    return [fleet for fleet in fleets.by_name.values() if fleet.kind == "spot"]


def worker_name(fleet: str, number: int) -> str:
    """Name a worker's slot, as logs and status show it."""
    return f"worker-{fleet}-{number}"
