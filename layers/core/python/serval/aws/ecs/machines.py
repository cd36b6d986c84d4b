"""The machines of spot fleets: ECS services with a provider for each kind of capacity."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serval.fleets.state import Capacity
from serval.models.resource_names import capacity_provider_name, cluster_name, service_name

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

ALL_HEALTHY = 100
"""Percent of the workers that a deployment keeps until new ones have started."""
NONE_HEALTHY = 0
"""Percent, so that the worker of a reclaimed spot machine is stopped at once."""


@dataclass(frozen=True, slots=True)
class EcsMachines:
    """``Machines`` in ECS."""

    client: "ECSClient"
    stage: str

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        """Set the number and the capacity of a fleet's machines; repeating it changes nothing.

        ECS takes another capacity only with a new deployment. Each worker that runs goes on until
        one of that capacity has come; then it is stopped, and gives back what it has begun.
        """
        cluster, service = cluster_name(self.stage, fleet), service_name(self.stage, fleet)
        found = self.client.describe_services(cluster=cluster, services=[service])["services"]
        provider = capacity_provider_name(self.stage, fleet, capacity)
        changes: dict[str, Any] = {}
        if not found or _providers(found[0]) != [provider]:
            changes = {
                "desiredCount": machines,
                "capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}],
                "deploymentConfiguration": _deployment(ALL_HEALTHY),
                "forceNewDeployment": True,
            }
        else:
            if found[0]["desiredCount"] != machines:
                changes["desiredCount"] = machines
            if capacity == "spot" and _has_turned(found[0]):
                changes["deploymentConfiguration"] = _deployment(NONE_HEALTHY)
        if changes:
            self.client.update_service(cluster=cluster, service=service, **changes)


def _deployment(healthy_percent: int) -> dict[str, int]:
    return {"minimumHealthyPercent": healthy_percent, "maximumPercent": 200}


def _has_turned(service: "ServiceTypeDef") -> bool:
    """Return whether the deployment that switched the capacity has ended."""
    healthy = service.get("deploymentConfiguration", {}).get("minimumHealthyPercent")
    return healthy == ALL_HEALTHY and len(service.get("deployments") or []) <= 1


def _providers(service: "ServiceTypeDef") -> list[str]:
    return [part["capacityProvider"] for part in service.get("capacityProviderStrategy") or []]


@dataclass(frozen=True, slots=True)
class NoMachines:
    """``Machines`` on the laptop, where the fleet's row alone is read and followed."""

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        """Change nothing."""
