"""Fallback to on-demand machines, when ECS cannot place a fleet's workers on spot machines.

Documented in "Amazon ECS service action events", Amazon ECS Developer Guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.clock import Clock, timestamp, utc_now
from serval.fleets.control import FleetControl
from serval.fleets.scale.capacity import turn_to_on_demand
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import Fleets
from serval.models.resource_names import capacity_provider_name, service_name


@dataclass(frozen=True, slots=True)
class PlacementFailure:
    """An event of ECS about a worker that it could not place."""

    service: str
    providers: tuple[str, ...]
    reason: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "PlacementFailure":
        """Read an event; names are the last parts of ARNs."""
        detail = event["detail"]
        return cls(
            service=_name(event["resources"][0]),
            providers=tuple(_name(arn) for arn in detail.get("capacityProviderArns", ())),
            reason=str(detail.get("reason", "no reason given")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Turns fleets to on-demand machines; ticks turn them back."""

    control: FleetControl
    stage: str
    clock: Clock = utc_now

    def fall_back(self, failure: PlacementFailure) -> dict[str, str]:
        """Turn the fleet whose worker was not placed; return what was done."""
        name = find_fleet(failure.service, self.control.fleets, self.stage)
        if name is None:
            return {"outcome": f"service {failure.service!r} is no fleet of this stage"}
        if capacity_provider_name(self.stage, name, "spot") not in failure.providers:
            return {"fleet": name, "outcome": "it was not spot that failed"}
        now = timestamp(self.clock())
        reason = f"ECS cannot place a worker on spot machines: {failure.reason}"

        def turn(row: FleetState) -> FleetState | None:
            if row.asleep or row.capacity == "on-demand":
                return None
            return turn_to_on_demand(row, reason, now)

        state = self.control.change(name, turn)
        if not state.asleep:
            self.control.order_machines(self.control.fleets.by_name[name], state)
        return {"fleet": name, "outcome": f"{state.machines} {state.capacity} machines"}


def find_fleet(service: str, fleets: Fleets, stage: str) -> str | None:
    """Find the spot fleet of a service; None if the stage has none."""
    for name, fleet in fleets.by_name.items():
        if fleet.kind == "spot" and service == service_name(stage, name):
            return name
    return None


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
