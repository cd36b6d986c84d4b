"""What a deployment will do: resources, rights, duration and cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serval.fleets.declaration import Fleet
from serval.fleets.prices import AS_OF, PRICES, REGION
from serval_cli.deploy.assembly import Assembly
from serval_cli.deploy.checks import Finding
from serval_cli.deploy.idle_cost import (
    ALARM_DOLLARS,
    FREE_ALARMS,
    count_alarms,
    price_polling,
)

HOURS_A_MONTH = 730
FIRST_MINUTES, UPDATE_MINUTES = (4, 8), (1, 5)
IMAGE_MINUTES, ENDPOINT_MINUTES = (5, 15), (5, 10)
"""Estimates for each image built and uploaded, and for SageMaker's endpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A stage to be deployed."""

    stage: str
    account: str | None
    region: str | None
    assembly: Assembly
    declared: Mapping[str, Fleet]
    """The deployed fleets, as their file declares them."""
    there: Mapping[str, Mapping[str, str]]
    """Outputs of the stacks already deployed, by part."""
    taken_away: Sequence[str] = ()
    """Models that would lose their function or fleet."""
    findings: Sequence[Finding] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        """Describe the plan as JSON."""
        low, high = self.minutes()
        return {
            "stage": self.stage,
            "account": self.account,
            "region": self.region,
            "stacks": {
                f"serval-{self.stage}-{part}": {
                    "resources": len(template["Resources"]),
                    "there": part in self.there,
                }
                for part, template in self.assembly.templates.items()
            },
            "resources": dict(sorted(self.assembly.kinds.items())),
            "own_functions": self.assembly.own_functions,
            "fleets": list(self.fleet_costs()),
            "taken_away": list(self.taken_away),
            "images": self.assembly.images,
            "roles": self.assembly.kinds.get("AWS::IAM::Role", 0),
            "rights_on_any_resource": self.assembly.unbounded_actions(),
            "minutes": {"least": low, "most": high},
            "idle": self.idle_cost(),
            "missing": [each.text for each in self.findings if each.blocks],
            "notes": [each.text for each in self.findings if not each.blocks],
        }

    def minutes(self) -> tuple[int, int]:
        """Estimate how long the deployment takes."""
        parts = [UPDATE_MINUTES if self.there else FIRST_MINUTES]
        parts += [IMAGE_MINUTES] * self.assembly.images
        parts += [ENDPOINT_MINUTES] * any(one.kind == "sagemaker" for one in self.declared.values())
        return sum(low for low, _ in parts), sum(high for _, high in parts)

    def idle_cost(self) -> dict[str, Any]:
        """Price what is billed monthly while nobody calls."""
        count = count_alarms(self.assembly.resources())
        polling = price_polling(self.assembly.resources())
        standing = sum(one["standing_dollars_a_month"] or 0 for one in self.fleet_costs())
        return {
            "alarms": count,
            "free_alarms": FREE_ALARMS,
            "dollars_a_month": round(count * ALARM_DOLLARS + polling + standing, 2),
            "prices": f"list prices of {REGION}, {AS_OF}",
        }

    def fleet_costs(self) -> Iterator[dict[str, Any]]:
        """Price the machines of each fleet, which are billed while they run."""
        for name, fleet in self.declared.items():
            price = PRICES.get(fleet.instance_types[0])
            hourly = price and (price.spot or price.on_demand)
            yield {
                "fleet": name,
                "kind": fleet.kind,
                "models": list(self.assembly.fleets.by_name[name].models),
                "machine": fleet.instance_types[0],
                "minimum": fleet.minimum,
                "maximum": fleet.maximum,
                "dollars_an_hour": hourly,
                "standing_dollars_a_month": hourly
                and round(hourly * HOURS_A_MONTH * fleet.minimum, 2),
                "one_more_in_rollouts_of": list(self.assembly.fleets.by_name[name].paired),
            }
