"""What the simulation takes for granted of the world around a fleet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """The world; the defaults are for one GPU each, and an image and model of a few gigabytes."""

    seconds_per_request: float = 2.0
    """A machine's time for one request that runs alone."""
    spread: float = 0.25
    """Part by which a run takes longer or shorter, evenly distributed."""
    batch: int = 1
    """Requests in one run, at the most."""
    batch_cost: float = 0.3
    """What each further request adds to a run, as a part of what the first one takes."""
    start_up_seconds: tuple[float, float] = (180.0, 240.0)
    """From an order to a worker that takes work: capacity, boot, image, model."""
    restart_seconds: float = 45.0
    """The same on a machine that is still there, without a worker."""
    linger_seconds: float = 900.0
    """How long ECS keeps an empty machine, which is paid for."""
    reclaims_per_hour: float = 0.05
    """Of one spot machine."""
    shortage_seconds: tuple[float, float] | None = None
    """Between which times no spot machine is to be had."""
    spot_price: float = 0.40
    """Dollars an hour."""
    on_demand_price: float = 0.8048
    """Dollars an hour."""
