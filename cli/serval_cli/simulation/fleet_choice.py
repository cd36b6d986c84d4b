"""Choose the fleet to simulate, from ``fleets.yaml`` or by default, adjusted by options."""

from dataclasses import replace
from pathlib import Path

from serval.fleets.declaration import read_fleets
from serval.fleets.prices import PRICES
from serval.models.deployed_fleets import DeployedFleet
from serval_cli.failures import CommandFailed
from serval_cli.simulation.assumptions import Assumptions

MODEL = "model"
DEFAULT_INSTANCE = "g6.xlarge"
DEFAULT_MAXIMUM = 100


def default_fleet() -> DeployedFleet:
    """Return a GPU fleet with default settings and ample room."""
    return DeployedFleet(name="gpu", accelerator="nvidia", maximum=DEFAULT_MAXIMUM, models=(MODEL,))


def read_fleet(name: str, path: Path) -> tuple[DeployedFleet, str]:
    """Return a fleet of ``fleets.yaml`` and its first instance type.

    Raises
    ------
    CommandFailed
        If there is no such fleet, or it does not consist of spot machines.
    """
    try:
        declared = read_fleets(path.read_bytes())
    except FileNotFoundError:
        raise CommandFailed(f"{path}: there is no such file; --fleets FILE names another") from None
    if name not in declared:
        raise CommandFailed(f"{path.name} has no fleet {name!r}; it has: {', '.join(declared)}")
    fleet = declared[name]
    if fleet.kind != "spot":
        raise CommandFailed(
            f"fleet {name!r} is of kind 'sagemaker', which AWS scales by its own policies: "
            "only fleets of kind 'spot' are simulated"
        )
    deployed = DeployedFleet(
        name=fleet.name,
        accelerator=fleet.accelerator,
        minimum=fleet.minimum,
        maximum=fleet.maximum,
        target_age_seconds=fleet.target_age_seconds,
        idle_seconds=fleet.idle_seconds,
        models=(MODEL,),
    )
    return deployed, fleet.instance_types[0]


def apply_bounds(
    fleet: DeployedFleet, minimum: int | None, maximum: int | None, target: int | None
) -> DeployedFleet:
    """Apply the bounds and the target age given on the command line.

    Raises
    ------
    CommandFailed
        If they contradict each other.
    """
    fleet = replace(
        fleet,
        minimum=fleet.minimum if minimum is None else minimum,
        maximum=fleet.maximum if maximum is None else maximum,
        target_age_seconds=fleet.target_age_seconds if target is None else target,
    )
    if fleet.minimum > fleet.maximum:
        raise CommandFailed(
            f"--minimum {fleet.minimum} is above the maximum, which is {fleet.maximum}"
        )
    return fleet


def set_prices(
    given: Assumptions, instance_type: str, spot: float | None, on_demand: float | None
) -> Assumptions:
    """Set the prices, from the command line or else from the price table.

    Raises
    ------
    CommandFailed
        If neither has them.
    """
    known = PRICES.get(instance_type)
    if known is not None:
        spot = known.spot if spot is None else spot
        on_demand = known.on_demand if on_demand is None else on_demand
    if spot is None or on_demand is None:
        raise CommandFailed(
            f"the prices of {instance_type!r} are not known here: "
            "--spot-price and --on-demand-price give them, in dollars an hour"
        )
    return replace(given, spot_price=spot, on_demand_price=on_demand)
