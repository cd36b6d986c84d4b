"""Waiting for a request's end: looks at its row, at first often, then less and less often."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest

FIRST_SECONDS = 0.02
LONGEST_SECONDS = 0.5
SHARE = 0.05
"""How much longer a wait may get because nobody looked."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Looks at rows until they are closed."""

    store: RequestStore
    clock: Callable[[], float] = time.monotonic
    """Seconds, from anywhere."""
    sleep: Callable[[float], None] = time.sleep

    def until_closed(self, request: AsyncRequest, seconds: float) -> AsyncRequest:
        """Give the row as it is when it is closed, or as it is after so many seconds."""
        begun = self.clock()
        while request.open and (left := seconds - (waited := self.clock() - begun)) > 0:
            pause = min(max(waited * SHARE, FIRST_SECONDS), LONGEST_SECONDS)
            self.sleep(min(pause, left))
            request = self.store.find(request.id) or request
        return request
