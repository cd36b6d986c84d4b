"""The text of a request, read while a fleet writes it, by the caller who has submitted it."""

from collections.abc import Iterator
from dataclasses import dataclass

from serval.errors import StillWaiting
from serval.models.task_signature import OPENAI_SIGNATURE
from serval.protocol.client import read_response
from serval.requests.cancel import Cancel
from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest
from serval.requests.result import read_result
from serval.requests.stream.follow import FOLLOW_SECONDS, QUIET_LOOKS, Follow, StreamEnd
from serval.requests.stream.piece import Piece

RESULT = OPENAI_SIGNATURE.outputs
"""What a text is as a result, whoever asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLive:
    """Reads texts while they are written."""

    follow: Follow
    cancel: Cancel
    payloads: Payloads


@dataclass(slots=True)
class LiveText:
    """One text that is being written."""

    request: AsyncRequest
    """Its row, as it was last read."""
    reading: ReadLive
    patience: float
    """Seconds that its reader waits for the first piece."""
    cancels: bool
    """Whether a reader that goes away wants it cancelled."""
    _last: int = 0

    def pieces(self) -> Iterator[Piece | None]:
        """Yield pieces as they come, and None when nothing has come for a while.

        Closing the iterator early cancels the request, if its reader wants that.

        Raises
        ------
        StillWaiting
            If nothing has come in time; the work goes on.
        InvalidRequest, RequestCancelled, RequestFailed
            If the request ends without its text.
        """
        try:
            yield from self._pieces()
        except GeneratorExit:
            if self.cancels:
                self.reading.cancel.cancel_left(self.request.id)
            raise

    def answer(self) -> bytes:
        """Wait for the request's end, and return its answer: JSON; raise as ``pieces`` does."""
        for found in self.reading.follow.follow(self.request, self._last, FOLLOW_SECONDS):
            if isinstance(found, StreamEnd):
                return self._read(found.request)
        raise StillWaiting(self.request.model, self.request.id, FOLLOW_SECONDS)

    def _pieces(self) -> Iterator[Piece | None]:
        quiet, begun = 0, self.reading.follow.clock()
        for found in self.reading.follow.follow(self.request, 0, FOLLOW_SECONDS):
            if isinstance(found, StreamEnd):
                self._read(found.request)  # it has no text, and says why
                return
            quiet = 0 if found else quiet + 1
            if found is None:
                self._check_patience(begun)
                if quiet % QUIET_LOOKS == 0 and self._last:
                    yield None
                continue
            self._note(found)
            yield found
            if found.finish is not None:
                return
        raise StillWaiting(self.request.model, self.request.id, FOLLOW_SECONDS)

    def _check_patience(self, begun: float) -> None:
        waited = self.reading.follow.clock() - begun
        if not self._last and waited >= self.patience:
            raise StillWaiting(self.request.model, self.request.id, waited)

    def _note(self, piece: Piece) -> None:
        """Note a piece; with the first one, which version writes."""
        if not self._last:
            self.request = self.reading.follow.store.find(self.request.id) or self.request
        self._last = piece.number

    def _read(self, request: AsyncRequest) -> bytes:
        result = read_result(request, self.reading.payloads)
        length = request.response_header_length
        [answers] = read_response(result, None if length is None else str(length), RESULT)
        answer: bytes = answers.array.tolist()[0]
        return answer
