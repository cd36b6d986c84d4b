"""Ports of fleet control, besides rows and machines."""

from typing import Protocol

from serval.fleets.scale.observation import JobShards


class Ticks(Protocol):
    """The rule that runs ``tick`` every minute; both methods are idempotent."""

    def enable(self) -> None:
        """Switch the rule on."""

    def disable(self) -> None:
        """Switch the rule off, so that it costs nothing."""


class BatchJobs(Protocol):
    """The batch jobs that use a fleet."""

    def find_shards(self, job: str) -> JobShards | None:
        """Return the shards that a job of a fleet's row still needs; None: it needs nothing."""


class NoBatchJobs:
    """``BatchJobs`` of a stage without any."""

    def find_shards(self, job: str) -> JobShards | None:
        """Return None."""
        return None


class Dispatcher(Protocol):
    """Starts the function that hands requests of a SageMaker fleet to its endpoint."""

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Dispatch soon; ``recount``: first count what the endpoint holds."""


class NoFleets:
    """``Waker`` of who asks models on Lambda alone."""

    def wake(self, fleet: str) -> None:
        """Do nothing."""


class NoDispatcher:
    """``Dispatcher`` of a stage without SageMaker fleets."""

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Do nothing."""
