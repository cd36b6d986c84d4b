"""What controlling fleets needs of AWS, beside their rows and machines; ``serval.aws`` has it."""

from typing import Protocol


class Ticks(Protocol):
    """The rule that runs ``tick`` every minute; switching it twice changes nothing."""

    def enable(self) -> None:
        """Let it tick."""

    def disable(self) -> None:
        """Let it rest, which costs nothing."""


class Dispatcher(Protocol):
    """Whoever hands the requests of a SageMaker fleet to its endpoint."""

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Have it hand over what fits, soon; ``recount``: look first what the endpoint holds."""


class NoDispatcher:
    """``Dispatcher`` of a stage without SageMaker fleets."""

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Do nothing."""
