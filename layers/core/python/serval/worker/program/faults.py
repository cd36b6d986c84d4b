"""What a worker does when AWS does not answer, and when it tries again."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from serval.errors import RegistryUnavailable

Result = TypeVar("Result")
RETRY_SECONDS = 5
"""When a message that could not be handled is received again."""
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Pauses between attempts, after those that the SDK makes by itself."""


class VersionNotHeld(Exception):
    """Why a version is unavailable: its inference server holds others, which the route names."""

    def __init__(self, *, awaited: bool) -> None:
        super().__init__()
        self.awaited = awaited
        """Whether the route names the version too, which may have its turn later."""


def backoff_seconds(attempts: int) -> int:
    """Return how long a failed request waits for its next attempt."""
    return int(min(60, 2**attempts))


@dataclass(frozen=True, slots=True)
class Retries:
    """Logs and repeats calls that AWS does not answer."""

    unanswered: tuple[type[Exception], ...]
    """What the adapters raise then, besides ``RegistryUnavailable``."""
    pause: Callable[[float], object]
    """Waits, unless the worker is being stopped."""
    log: Callable[[str], object]

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Return the exceptions that mean AWS did not answer."""
        return (*self.unanswered, RegistryUnavailable)

    def warn(self, what: str, error: Exception) -> None:
        """Log a failure that is not final."""
        self.log(json.dumps({"level": "WARNING", "failed": what, "error": str(error)}))

    def keep_trying(self, what: str, work: Callable[[], Result]) -> Result:
        """Do some work, repeating it if need be; raise the last failure."""
        for seconds in PAUSES_SECONDS:
            try:
                return work()
            except self.errors as error:
                self.warn(what, error)
                self.pause(seconds)
        return work()

    def attempt(self, what: str, work: Callable[[], object]) -> None:
        """Do some work, repeating it if need be; only log the last failure."""
        try:
            self.keep_trying(what, work)
        except self.errors as error:
            self.warn(what, error)
