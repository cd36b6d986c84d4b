"""Settings of the functions that change fleets."""

from dataclasses import dataclass

from serval.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings(Settings):
    """Environment of every function that changes fleets."""

    stage: str
    """Names the queues, the services, the endpoints and the rule of the ticks."""
    registry_table: str
    fleets: str
    """The deployed fleets and their models, as ``Fleets.to_text`` writes them."""
    machines: str = "ecs"
    """Who starts the machines of spot fleets: ``ecs``, or ``rows``, whoever reads the fleets' rows,
    as on a laptop."""
    dispatch_function: str = ""
    """The name of ``dispatch``; empty without SageMaker fleets, and in ``dispatch`` itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackSettings(FleetSettings):
    """Environment of ``fallback``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickSettings(FleetSettings):
    """Environment of ``tick``."""

    requests_table: str
    jobs_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFleetSettings(FleetSettings):
    """Environment of every function that changes fleets and requests."""

    requests_table: str
    data_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSettings(RequestFleetSettings):
    """Environment of ``dispatch``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSettings(RequestFleetSettings):
    """Environment of ``complete``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings(RequestFleetSettings):
    """Environment of ``sweep``."""
