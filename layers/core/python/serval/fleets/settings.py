"""What the functions that change fleets read from their environment."""

from dataclasses import dataclass

from serval.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings(Settings):
    """What every function has that changes fleets."""

    stage: str
    """Names the queues, the services, the endpoints and the rule of the ticks."""
    registry_table: str
    fleets: str
    """The deployed fleets and their models, as ``Fleets.to_text`` writes them."""
    machines: str = "ecs"
    """Who gives spot fleets their machines: ``ecs``, or ``rows``: whoever reads the fleets' rows,
    as on a laptop."""
    dispatch_function: str = ""
    """Name of ``dispatch``; empty: the stage has no SageMaker fleets, or this is ``dispatch``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackSettings(FleetSettings):
    """Environment of ``fallback``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickSettings(FleetSettings):
    """Environment of ``tick``."""

    requests_table: str
    jobs_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSettings(FleetSettings):
    """Environment of ``dispatch``."""

    requests_table: str
    data_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSettings(FleetSettings):
    """Environment of ``complete``."""

    requests_table: str
    data_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings(FleetSettings):
    """Environment of ``sweep``."""

    requests_table: str
    data_bucket: str
