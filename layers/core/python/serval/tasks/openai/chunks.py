"""The chunks of an answer that is streamed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serval.tasks.openai.told import Told, chat_logprobs, completion_logprobs, count_usage

CHUNKS: Mapping[str, tuple[str, str]] = {
    "chat/completions": ("chatcmpl", "chat.completion.chunk"),
    "completions": ("cmpl", "text_completion"),
}
"""What is asked for → how the ids of its chunks begin, and what they are."""


@dataclass(slots=True)
class ChunkWriter:
    """Writes chunks, each of one choice, and counts their tokens."""

    head: Mapping[str, Any]
    """What every chunk begins with."""
    is_chat: bool
    """Whether the text is a chat's; otherwise it is a completion."""
    with_usage: bool
    """Whether a last chunk without a choice has the usage; all others have a ``null`` then."""
    with_logprobs: bool
    """Whether chunks have the probabilities of tokens."""
    echo: Callable[[int], str] = lambda _: ""
    """Returns what a completion begins with before anything is written."""
    _index: int = -1
    _tokens: int = 0
    _offset: int = 0
    """How many characters the tokens of the choice have that were told."""

    def write(self, told: Told) -> Iterator[dict[str, Any]]:
        """Write the chunks that one more token makes."""
        self._tokens += 1
        text, begins = told.text, told.index != self._index
        if begins:
            self._index, self._offset = told.index, 0
            if self.is_chat:
                yield self._chunk(told.index, {"delta": {"role": "assistant", "content": ""}})
            else:
                text = self.echo(told.index) + text
        if text or told.tokens:
            own: Mapping[str, Any] = (
                {"delta": {"content": text}} if self.is_chat else {"text": text}
            )
            yield self._chunk(told.index, own, logprobs=self._logprobs(told))
            self._offset += sum(len(one.text) for one in told.tokens)
        if told.finish_reason is not None:
            ended: Mapping[str, Any] = {"delta": {}} if self.is_chat else {"text": ""}
            yield self._chunk(told.index, ended, told.finish_reason)

    def end(self, read: int, written: int | None = None) -> Iterator[dict[str, Any]]:
        """Write the chunk with the usage, if that is wanted.

        Parameters
        ----------
        read
            The prompts' tokens.
        written
            The texts'; None: as many as were told.
        """
        if self.with_usage:
            count = self._tokens if written is None else written
            yield {**self.head, "choices": [], "usage": count_usage(read, count)}

    def _logprobs(self, told: Told) -> dict[str, Any] | None:
        if not self.with_logprobs:
            return None
        if self.is_chat:
            return chat_logprobs(told.tokens)
        return completion_logprobs(told.tokens, self._offset)

    def _chunk(
        self,
        index: int,
        own: Mapping[str, Any],
        finish_reason: str | None = None,
        logprobs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        choice = {"index": index, **own, "logprobs": logprobs, "finish_reason": finish_reason}
        usage = {"usage": None} if self.with_usage else {}
        return {**self.head, "choices": [choice], **usage}
