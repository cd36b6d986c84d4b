"""What the supervisor of the workers is told by ``up``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serval.models.deployed_fleets import DeployedFleet, Fleets


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """Which fleets have workers, and how a worker is run."""

    endpoint: str
    registry_table: str
    fleets: Fleets
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """Of every worker; its fleet, its id and where its credentials are come on top."""
    roles: Mapping[str, str]
    """Name of the role of each fleet's workers."""
    stop_seconds: int
    """How long a worker may take to give back what it has begun."""
    logs: Path
    status: Path
    """Where to say which workers there are."""

    def to_json(self) -> str:
        """Give the text that ``from_json`` reads."""
        return json.dumps(
            {
                "endpoint": self.endpoint,
                "registry_table": self.registry_table,
                "fleets": self.fleets.to_text(),
                "command": self.command,
                "environment": dict(self.environment),
                "roles": dict(self.roles),
                "stop_seconds": self.stop_seconds,
                "logs": str(self.logs),
                "status": str(self.status),
            }
        )

    def credentials(self, fleet: str) -> str:
        """Give the URL at which a fleet's workers find the credentials of their role."""
        return f"{self.endpoint}/v2/credentials/{self.roles[fleet]}"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` gave."""
        document = json.loads(text)
        return cls(
            endpoint=document["endpoint"],
            registry_table=document["registry_table"],
            fleets=Fleets.from_text(document["fleets"]),
            command=tuple(document["command"]),
            environment=document["environment"],
            roles=document["roles"],
            stop_seconds=document["stop_seconds"],
            logs=Path(document["logs"]),
            status=Path(document["status"]),
        )


def spot_fleets(fleets: Fleets) -> list[DeployedFleet]:
    """List the fleets that have workers; SageMaker runs its own servers."""
    return [fleet for fleet in fleets.by_name.values() if fleet.kind == "spot"]


def worker_name(fleet: str, number: int) -> str:
    """Name a worker's place, as logs and status have it."""
    return f"worker-{fleet}-{number}"
