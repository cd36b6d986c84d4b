"""Wait for a request to end: poll its row, often at first, then less and less.

Each waiting caller occupies a Lambda environment, so waiting places are limited. A caller who finds
none gets the request as it is, at once.
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
"""A poll comes late by at most this share of the wait."""


class WaitingPlaces(Protocol):
    """The waiting places of a stage, shared by all environments."""

    def take(self) -> str | None:
        """Take a place; None if there is none left."""

    def give_back(self, place: str) -> None:
        """Return a place."""


class UnlimitedPlaces:
    """``WaitingPlaces`` without a limit."""

    def take(self) -> str | None:
        """Take a place."""
        return "here"

    def give_back(self, place: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Waits for requests to end."""

    store: RequestStore
    clock: Callable[[], float] = time.monotonic
    """Seconds, from anywhere."""
    sleep: Callable[[float], None] = time.sleep
    places: WaitingPlaces = field(default_factory=UnlimitedPlaces)

    def wait(self, request: AsyncRequest, seconds: float) -> AsyncRequest:
        """Return the row once it is closed, or as it is after ``seconds``."""
        if not request.open or seconds <= 0 or (place := self.places.take()) is None:
            return request
        try:
            return self._poll(request, seconds)
        finally:
            self.places.give_back(place)

    def _poll(self, request: AsyncRequest, seconds: float) -> AsyncRequest:
        begun = self.clock()
        while request.open and (left := seconds - (waited := self.clock() - begun)) > 0:
            pause = min(max(waited * SHARE, FIRST_SECONDS), LONGEST_SECONDS)
            self.sleep(min(pause, left))
            request = self.store.find(request.id) or request
        return request
