"""What a worker does about what AWS does not answer, and when it tries again."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from serval.errors import RegistryUnavailable

Result = TypeVar("Result")
RETRY_SECONDS = 5
"""When a message is looked at again that AWS kept from being dealt with."""
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Between attempts at what AWS does not answer, after those that its SDK makes by itself."""


def backoff_seconds(attempts: int) -> int:
    """Tell how long a request that failed waits for its next attempt."""
    return int(min(60, 2**attempts))


@dataclass(frozen=True, slots=True)
class Retries:
    """What to do when AWS does not answer: say so, and try again."""

    unanswered: tuple[type[Exception], ...]
    """What the adapters raise then, beside ``RegistryUnavailable``."""
    pause: Callable[[float], object]
    """Waits, or not if the worker is being stopped."""
    log: Callable[[str], object]

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Give what means that AWS did not answer."""
        return (*self.unanswered, RegistryUnavailable)

    def warn(self, what: str, error: Exception) -> None:
        """Log that something did not work this time."""
        self.log(json.dumps({"level": "WARNING", "failed": what, "error": str(error)}))

    def keep_trying(self, what: str, work: Callable[[], Result]) -> Result:
        """Do some work, several times if need be; the last failure is raised."""
        for seconds in PAUSES_SECONDS:
            try:
                return work()
            except self.errors as error:
                self.warn(what, error)
                self.pause(seconds)
        return work()

    def attempt(self, what: str, work: Callable[[], object]) -> None:
        """Do some work, several times if need be; the last failure is only logged."""
        try:
            self.keep_trying(what, work)
        except self.errors as error:
            self.warn(what, error)
