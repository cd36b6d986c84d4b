"""The log of a stream: what has been written of it, in chunks that follow one another.

A chunk begins where the one before it ends, and each place is written once. Two writers of one
stream, such as a worker that was taken for dead and the one after it, meet at the next place: one
of them has its chunk there, and the other learns of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from serval.requests.stream.piece import StreamChunk


class StreamLog(Protocol):
    """The streams table; reads see every write made before them."""

    def append(self, request_id: str, chunk: StreamChunk, expires: datetime) -> bool:
        """Write a chunk, which is kept at least until a time.

        Returns
        -------
        bool
            False if another writer's chunk begins at the same number; nothing is written then.
        """

    def read(self, request_id: str, after: int) -> Sequence[StreamChunk]:
        """Return the chunks that begin after a number, in their order; 0: all chunks."""
