"""The chunks of an answer that is streamed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serval.tasks.openai.telling import Told
from serval.tasks.openai.writing import WantedTexts


@dataclass(slots=True)
class ChunkWriter:
    """Writes chunks, each of one choice, and counts their tokens."""

    head: Mapping[str, Any]
    """What every chunk begins with."""
    wanted: WantedTexts
    with_usage: bool
    """Whether a last chunk without a choice has the usage; all others have a ``null`` then."""
    _index: int = -1
    _tokens: int = 0

    def is_first(self, told: Told) -> bool:
        """Count a token; return whether its choice begins with it."""
        self._tokens += 1
        begins = told.index != self._index
        self._index = told.index
        return begins

    def write(
        self, index: int, finish_reason: str | None = None, *, logprobs: Any = None, **own: Any
    ) -> dict[str, Any]:
        """Write a chunk, with what is its kind's own."""
        choice = {"index": index, **own, "logprobs": logprobs, "finish_reason": finish_reason}
        usage = {"usage": None} if self.with_usage else {}
        return {**self.head, "choices": [choice], **usage}

    def end(self) -> Iterator[dict[str, Any]]:
        """Write the chunk with the usage, if that is wanted."""
        if self.with_usage:
            yield {**self.head, "choices": [], "usage": self.wanted.usage(self._tokens)}
