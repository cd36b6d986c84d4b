"""What the simulation assumes about the world around a fleet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """The assumptions; defaults fit one GPU per machine, and image and model of a few gigabytes."""

    seconds_per_request: float = 2.0
    """Time a machine takes for one request that runs alone."""
    spread: float = 0.25
    """Largest deviation of a run's time, as a fraction; deviations are evenly distributed."""
    batch: int = 1
    """Most requests in one run."""
    batch_cost: float = 0.3
    """Time that each further request adds to a run, as a fraction of the first one's."""
    start_up_seconds: tuple[float, float] = (180.0, 240.0)
    """Time from ordering a machine to a worker that takes work: capacity, boot, image, model."""
    restart_seconds: float = 45.0
    """The same on a machine that still runs but has lost its worker."""
    linger_seconds: float = 900.0
    """How long ECS keeps an empty machine, which is billed."""
    reclaims_per_hour: float = 0.05
    """Reclaims of one spot machine."""
    shortage_seconds: tuple[float, float] | None = None
    """Start and end of a time without spot machines."""
    spot_price: float = 0.40
    """Dollars an hour."""
    on_demand_price: float = 0.8048
    """Dollars an hour."""
