"""Waiting for a request's end: looks at its row, at first often, then less and less often.

Whoever waits keeps an environment of Lambda's for as long, so there are only so many places to
wait; who finds none has its request as it is, at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest

FIRST_SECONDS = 0.02
LONGEST_SECONDS = 0.5
SHARE = 0.05
"""How much longer a wait may get because nobody looked."""


class WaitingPlaces(Protocol):
    """Where callers wait, those of all environments together."""

    def take(self) -> str | None:
        """Take a place; None: there is none left."""

    def give_back(self, place: str) -> None:
        """Give a place back that was taken."""


class Everywhere:
    """``WaitingPlaces`` without an end."""

    def take(self) -> str | None:
        """Take one more."""
        return "here"

    def give_back(self, place: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Looks at rows until they are closed."""

    store: RequestStore
    clock: Callable[[], float] = time.monotonic
    """Seconds, from anywhere."""
    sleep: Callable[[float], None] = time.sleep
    places: WaitingPlaces = field(default_factory=Everywhere)

    def wait(self, request: AsyncRequest, seconds: float) -> AsyncRequest:
        """Give the row as it is when it is closed, or as it is after so many seconds."""
        if not request.open or seconds <= 0 or (place := self.places.take()) is None:
            return request
        try:
            return self._look(request, seconds)
        finally:
            self.places.give_back(place)

    def _look(self, request: AsyncRequest, seconds: float) -> AsyncRequest:
        begun = self.clock()
        while request.open and (left := seconds - (waited := self.clock() - begun)) > 0:
            pause = min(max(waited * SHARE, FIRST_SECONDS), LONGEST_SECONDS)
            self.sleep(min(pause, left))
            request = self.store.find(request.id) or request
        return request
