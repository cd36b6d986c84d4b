"""Logs of streams in memory, and who writes and reads them."""

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from serval.errors import InferenceFailed
from serval.models.tensor import Tensor
from serval.requests.stream.piece import Piece, StreamChunk, read_pieces, write_pieces
from tests.fakes.inbox import Unanswered


@dataclass
class InMemoryStreams:
    """``StreamLog`` with DynamoDB's condition; chunks are stored as the table stores them."""

    chunks: defaultdict[str, dict[int, tuple[int, str, str]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    expire: dict[str, datetime] = field(default_factory=dict)
    failing: bool = False
    """Nobody answers."""

    def append(self, request_id: str, chunk: StreamChunk, expires: datetime) -> bool:
        self._answer()
        stored = (chunk.attempt, chunk.version, write_pieces(chunk.pieces))
        self.expire[request_id] = expires
        return self.chunks[request_id].setdefault(chunk.first, stored) == stored

    def read(self, request_id: str, after: int) -> Sequence[StreamChunk]:
        self._answer()
        return [
            StreamChunk(attempt, version, read_pieces(first, pieces))
            for first, (attempt, version, pieces) in sorted(self.chunks[request_id].items())
            if first > after
        ]

    def text(self, request_id: str) -> str:
        """Give what is written of a request."""
        return "".join(piece.text for one in self.read(request_id, 0) for piece in one.pieces)

    def _answer(self) -> None:
        if self.failing:
            raise Unanswered("the log is not answered")


@dataclass(frozen=True)
class ScriptedText:
    """``StreamedText`` whose tokens follow from a request's id, unless they are written already."""

    request_id: str
    length: int
    begun: Sequence[int] = ()
    fails_at: int | None = None
    """The number of the piece that cannot be written."""

    def pieces(self) -> Iterator[Piece]:
        for number in range(1, self.length + 1):
            if number == self.fails_at:
                raise InferenceFailed("textgen", "1", "this piece cannot be written")
            token = zlib.crc32(f"{self.request_id}/{number}".encode()) % 1000
            if number <= len(self.begun):
                token = self.begun[number - 1]
            finish = "length" if number == self.length else None
            yield Piece(number=number, id=token, text=f" {token}", finish=finish)

    def ready(self) -> bool:
        return True

    def outputs(self) -> list[Tensor]:
        return [Tensor("y", "BYTES", np.array([self.text.encode()], object))]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces())
