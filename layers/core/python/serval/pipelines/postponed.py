"""Steps whose models answer later, where a step can be run again: see ``serval.durable``."""

from collections.abc import Sequence
from types import TracebackType

from serval.pipelines.steps import MapDefinition


class StepPostponed(Exception):
    """What a step has asked is not answered yet, so the step must run again later.

    Attributes
    ----------
    requests
        What it waits for.
    seconds
        After which it is to be run again in any case.
    """

    def __init__(self, requests: Sequence[str], seconds: int) -> None:
        super().__init__(f"waits for {', '.join(requests)}")
        self.requests, self.seconds = tuple(requests), seconds


class PostponedItems:
    """Lets the items of a map ask together, as many as may run at once."""

    def __init__(self, each: MapDefinition | None) -> None:
        self._limit = each.limit if each else 1
        self._late: list[StepPostponed] = []

    def __enter__(self) -> None:
        """Begin an item."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Go on after an item that is postponed, until there are too many."""
        if not isinstance(error, StepPostponed):
            return False
        self._late.append(error)
        if len(self._late) >= self._limit:
            self.check()
        return True

    def check(self) -> None:
        """Postpone the step if any item is.

        Raises
        ------
        StepPostponed
            With what all of them wait for.
        """
        if self._late:
            requests = [each for late in self._late for each in late.requests]
            raise StepPostponed(requests, min(late.seconds for late in self._late))
