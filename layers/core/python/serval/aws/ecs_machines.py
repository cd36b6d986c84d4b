"""The machines of spot fleets: ECS services, each with a capacity provider for either capacity."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serval.fleets.names import capacity_provider_name, cluster_name, service_name
from serval.fleets.state import Capacity

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef


@dataclass(frozen=True, slots=True)
class EcsMachines:
    """``Machines`` in ECS."""

    client: "ECSClient"
    stage: str

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        """Ask for this many machines of this capacity; asking again changes nothing.

        ECS takes another capacity only with a new deployment, in which each worker that runs is
        stopped, gives back what it has begun, and is replaced by one of that capacity.
        """
        cluster, service = cluster_name(self.stage), service_name(self.stage, fleet)
        found = self.client.describe_services(cluster=cluster, services=[service])["services"]
        provider = capacity_provider_name(self.stage, fleet, capacity)
        if not found or _providers(found[0]) != [provider]:
            self.client.update_service(
                cluster=cluster,
                service=service,
                desiredCount=machines,
                capacityProviderStrategy=[{"capacityProvider": provider, "weight": 1}],
                forceNewDeployment=True,
            )
        elif found[0]["desiredCount"] != machines:
            self.client.update_service(cluster=cluster, service=service, desiredCount=machines)


def _providers(service: "ServiceTypeDef") -> list[str]:
    return [part["capacityProvider"] for part in service.get("capacityProviderStrategy") or []]


@dataclass(frozen=True, slots=True)
class NoMachines:
    """``Machines`` on the laptop, where the fleet's row alone is read and followed."""

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        """Change nothing."""
