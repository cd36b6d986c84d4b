"""Follow: the pieces of a stream, from any number on, as they are written."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from serval.errors import RequestConflict, RequestNotFound
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest
from serval.requests.stream.log import StreamLog
from serval.requests.stream.piece import Piece

FOLLOW_SECONDS = 14 * 60.0
"""How long a request is followed; Lambda ends a call after 15 minutes."""
QUIET_LOOKS = 30
"""Looks in a row that bring nothing before a reader is sent a sign of life."""
FIRST_SECONDS = 0.03
"""How long a reader that has just read something waits until it looks again."""
LONGEST_SECONDS = 0.5
SHARE = 0.1
"""A look comes late by at most this share of the time that nothing came."""
ROW_SECONDS = 1.0
"""How long nothing comes before the request's row is looked at."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The end of a stream: its request is closed."""

    request: AsyncRequest
    number: int
    """The last piece's, behind which the text goes on if the request is retried; 0: none."""


Followed = Piece | StreamEnd | None
"""A piece; the end, after which nothing comes; None: nothing was there at this look."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Follows streams; nothing but the log and the rows has any state."""

    log: StreamLog
    store: RequestStore
    clock: Callable[[], float] = time.monotonic
    """Seconds, from anywhere."""
    sleep: Callable[[float], object] = time.sleep

    def follow(self, request: AsyncRequest, after: int, seconds: float) -> Iterator[Followed]:
        """Yield what follows a piece, each piece once, for at most ``seconds``.

        A request that writes no stream has an end all the same.

        Parameters
        ----------
        request
            Its row, as it was just read.
        after
            The number of the last piece that the reader has; 0: none.

        Raises
        ------
        RequestNotFound
            If the request is gone.
        RequestConflict
            If pieces are gone before those that are there.
        """
        begun = came = looked = self.clock()
        # A reader may have left off within a chunk, so the first look is at all of them.
        seen = 0
        while True:
            ended = False
            for chunk in self.log.read(request.id, seen):
                if chunk.first != seen + 1:
                    raise RequestConflict(
                        request.name, f"events {seen + 1} to {chunk.first - 1} have expired"
                    )
                yield from (piece for piece in chunk.pieces if piece.number > after)
                seen, came, ended = chunk.last, self.clock(), chunk.ended
            if not request.open:
                yield StreamEnd(request, seen)
                return
            now = self.clock()
            if now - begun >= seconds:
                return
            yield None
            if ended or now - max(came, looked) >= ROW_SECONDS:
                request, looked = self._look(request), now
            if request.open:
                idle = self.clock() - came
                self.sleep(min(max(idle * SHARE, FIRST_SECONDS), LONGEST_SECONDS))

    def _look(self, request: AsyncRequest) -> AsyncRequest:
        found = self.store.find(request.id)
        if found is None:
            raise RequestNotFound(request.name)
        return found
