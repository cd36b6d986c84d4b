"""One stream of a worker: its tokens, and how far the log has them."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, cast

from serval.inference.loaded import Loaded
from serval.inference.run import Outputs
from serval.models.task_signature import OPENAI
from serval.requests.request import AsyncRequest
from serval.requests.stream.piece import LikelyToken, Piece, StreamChunk
from serval.worker.queue.held import Held

if TYPE_CHECKING:  # a worker of tensors pays for no task
    from serval.tasks.generation.stream import TextStream
    from serval.tasks.generation.text_generation import WrittenToken
    from serval.tasks.openai.one_text import OneText

APPEND_SECONDS = 0.1
"""How often a stream's pieces are appended, at most."""
RETRY_APPEND_SECONDS = 1.0
MOST_IN_CHUNK = 512
"""Pieces of a chunk, which DynamoDB takes up to 400 KB of."""
MOST_BEHIND = 4 * MOST_IN_CHUNK
"""Pieces that wait for the log before no more are written."""


class StreamedText(Protocol):
    """A text that a version writes."""

    def pieces(self) -> Iterator[Piece]:
        """Write the text, piece by piece; those that were written before come first again.

        A text that is known only as a whole is written here, before its first piece is asked for.
        """

    def ready(self) -> bool:
        """Return whether the next piece is there, or is written when it is asked for."""

    def outputs(self) -> Outputs:
        """Return the answer as a whole, once the last piece has come."""


OpenText = Callable[[Loaded, Held], StreamedText]


@dataclass(slots=True, eq=False)
class WorkerStream:
    """A stream whose attempt this worker makes."""

    held: Held
    version: str
    text: StreamedText
    logged: int
    """The number of the last piece that the log has."""
    pieces: Iterator[Piece] | None = None
    """None: the text has not begun."""
    due: float = 0.0
    """When its pieces are appended next, by the monotonic clock."""
    run_seconds: float = 0.0
    """How long its pieces took to write."""
    ended: bool = False
    """Whether the last piece was written."""
    chunk: StreamChunk | None = None
    """What is being appended."""
    appending: "Future[bool] | None" = None
    _waiting: list[Piece] = field(default_factory=list)
    """Pieces that the log lacks, the chunk's first."""

    @property
    def row(self) -> AsyncRequest:
        """The request's row, as it was last read."""
        return self.held.known

    @property
    def behind(self) -> int:
        """How many pieces the log lacks."""
        return len(self._waiting)

    @property
    def written(self) -> int:
        """How many pieces there are, with those that the log lacks."""
        return self.logged + self.behind

    @property
    def alone(self) -> bool:
        """Whether it runs without others: twice lost with its worker, it may be the reason."""
        return 1 < self.row.attempts >= self.row.max_attempts

    def begin(self) -> Iterator[Piece]:
        """Begin the text; one that is known only as a whole is written by this."""
        if self.pieces is None:
            self.pieces = self.text.pieces()
        return self.pieces

    def write(self) -> None:
        """Write one piece; it waits for the log, unless that has it."""
        piece = next(self.begin())
        self.ended = piece.finish is not None
        if piece.number > self.logged:
            self._waiting.append(piece)

    def take_chunk(self) -> StreamChunk:
        """Return what is to be appended next: the same as before, as long as that is unknown."""
        if self.chunk is None:
            attempt = self.held.attempt or 0
            self.chunk = StreamChunk(attempt, self.version, tuple(self._waiting[:MOST_IN_CHUNK]))
        return self.chunk

    def note_appended(self) -> None:
        """Note that the log has the chunk."""
        if self.chunk is not None:
            self.logged = self.chunk.last
            del self._waiting[: len(self.chunk.pieces)]
            self.chunk = None


def seed_of(request_id: str) -> int:
    """Return what a request's text is drawn by, the same for each attempt."""
    return zlib.crc32(request_id.encode())


def logged_tokens(chunks: Sequence[StreamChunk]) -> list[int]:
    """Return the tokens that the log has."""
    return [piece.id for chunk in chunks for piece in chunk.pieces]


class WrittenHere:
    """A text that this process writes itself."""

    __slots__ = ()

    def ready(self) -> bool:
        """Return True: a piece is written when it is asked for."""
        return True


@dataclass(frozen=True, slots=True)
class GeneratedPieces(WrittenHere):
    """``StreamedText`` of a task that generates text."""

    text: "TextStream"

    def pieces(self) -> Iterator[Piece]:
        """Write the text, piece by piece."""
        for number, written in enumerate(self.text, start=1):
            yield make_piece(number, written, self.text)

    def outputs(self) -> Outputs:
        """Return the answer as a whole."""
        return self.text.outputs()


@dataclass(frozen=True, slots=True)
class ToldPieces(WrittenHere):
    """``StreamedText`` of a call of OpenAI's API: a piece has what its token tells."""

    text: "OneText"

    def pieces(self) -> Iterator[Piece]:
        """Write the text, piece by piece; what beams find, as a whole."""
        pieces = self._write()
        return iter(list(pieces)) if self.text.wanted.settings.num_beams > 1 else pieces

    def outputs(self) -> Outputs:
        """Return the answer as a whole."""
        return self.text.outputs()

    def _write(self) -> Iterator[Piece]:
        for number, (written, told) in enumerate(self.text, start=1):
            piece = make_piece(number, written, self.text)
            word = None if told.text == piece.text else piece.text
            yield replace(piece, text=told.text, word=word, finish=told.finish_reason)


def make_piece(number: int, written: "WrittenToken", text: "TextStream | OneText") -> Piece:
    """Make a piece of a token."""
    token = written.token
    return Piece(
        number=number,
        id=token.id,
        text=written.text,
        special=text.is_special(token.id),
        logprob=token.logprob,
        top=tuple(
            LikelyToken(one, text.word(one), log, text.is_special(one)) for one, log in token.top
        ),
        finish=token.finish,
        prompt_tokens=None if token.finish is None else len(text.prompt),
    )


def open_text(loaded: Loaded, held: Held) -> StreamedText:
    """Open the text of a request.

    Raises
    ------
    InvalidRequest
        If what it asks for is no stream of the version.
    """
    name, inputs = held.known.id, held.read.inputs
    seed, begun = seed_of(name), logged_tokens(held.chunks)
    if inputs[0].name == OPENAI:
        from serval.tasks.openai.call import open_call

        [element] = inputs[0].array.tolist()
        if loaded.record.has_openai_server:
            from serval.inference.runtimes.http_completions import Completions
            from serval.worker.streams.served import open_served

            tell = cast(Completions, loaded.model).tell
            return open_served(tell, element, loaded.record, name, seed, held.chunks)
        return ToldPieces(open_call(element, loaded.record, loaded.task, name, seed, begun))
    from serval.tasks.generation.stream import open_stream

    return GeneratedPieces(open_stream(loaded.task, inputs, seed, begun))
