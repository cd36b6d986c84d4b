"""What controlling fleets needs of others, beside their rows and machines."""

from typing import Protocol

from serval.fleets.scale.observation import JobShards


class Ticks(Protocol):
    """The rule that runs ``tick`` every minute; switching it twice changes nothing."""

    def enable(self) -> None:
        """Let it tick."""

    def disable(self) -> None:
        """Let it rest, which costs nothing."""


class BatchJobs(Protocol):
    """What batch jobs ask of fleets; ``serval.batch.job.fleet_jobs`` knows it."""

    def look(self, job: str) -> JobShards | None:
        """Look a job of a fleet's row up; None: it asks nothing any more."""


class NoBatchJobs:
    """``BatchJobs`` where there are none."""

    def look(self, job: str) -> JobShards | None:
        """Find nothing."""
        return None


class Dispatcher(Protocol):
    """Whoever hands the requests of a SageMaker fleet to its endpoint."""

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Have it hand over what fits, soon; ``recount``: look first what the endpoint holds."""


class NoDispatcher:
    """``Dispatcher`` of a stage without SageMaker fleets."""

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Do nothing."""
