"""What callers learn of a text while it is written, and the documents that say it.

Nothing here needs the model: a process without its tokenizer tells what a fleet writes.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenInWords:
    """A token of a text."""

    text: str
    """What it adds by itself."""
    logprob: float | None = None
    """The logarithm of its probability, where that is wanted."""
    top: Sequence[tuple[str, float]] = ()
    """The likeliest tokens of its step, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one more token tells of a choice."""

    index: int
    """Which choice."""
    text: str
    """What comes next of its text; perhaps nothing yet."""
    tokens: Sequence[TokenInWords] = ()
    """The tokens whose text begins in what was told by now."""
    finish_reason: str | None = None
    """Why the choice ends here."""


@dataclass(slots=True)
class WaitingTokens:
    """The tokens of a choice whose text has not been told yet."""

    _waiting: deque[tuple[int, TokenInWords]] = field(default_factory=deque)
    """With the character that each begins at."""
    _begun: int = 0
    """How many characters the tokens have together."""

    def add(self, token: TokenInWords) -> None:
        """Add the next token."""
        self._waiting.append((self._begun, token))
        self._begun += len(token.text)

    def release(self, told: int) -> list[TokenInWords]:
        """Return the tokens that begin before a character, each only once."""
        found = []
        while self._waiting and self._waiting[0][0] < told:
            found.append(self._waiting.popleft()[1])
        return found


def count_usage(read: int, written: int) -> dict[str, int]:
    """Return how many tokens were read, and written, as an answer has it."""
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def chat_logprobs(tokens: Sequence[TokenInWords]) -> dict[str, Any]:
    """Write tokens of a chat with their probabilities."""
    content = [
        {
            **_logprob(one.text, one.logprob),
            "top_logprobs": [_logprob(text, log) for text, log in one.top],
        }
        for one in tokens
    ]
    return {"content": content, "refusal": None}


def completion_logprobs(tokens: Sequence[TokenInWords], offset: int = 0) -> dict[str, Any]:
    """Write tokens with their probabilities; the first begins at a character of the text."""
    lengths = [len(one.text) for one in tokens]
    return {
        "tokens": [one.text for one in tokens],
        "token_logprobs": [one.logprob for one in tokens],
        # Of tokens that read alike the likeliest counts.
        "top_logprobs": [dict(reversed(one.top)) for one in tokens],
        "text_offset": list(accumulate(lengths, initial=offset))[:-1],
    }


def _logprob(text: str, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode("utf-8", "replace"))}
