"""When a text is at its end."""

from collections.abc import Sequence
from dataclasses import dataclass

import tokenizers

BYTES_A_CHARACTER = 4
"""A character may be as many tokens, where a tokenizer falls back on bytes."""
LENGTH, EOS, STOP = "length", "eos_token", "stop_sequence"
"""Why a text ended, in the words of text-generation-inference."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends a text before it is as long as it may be."""

    eos: frozenset[int] = frozenset()
    stop: Sequence[str] = ()
    tokenizer: tokenizers.Tokenizer | None = None

    def reason(self, written: Sequence[int]) -> str | None:
        """Return why a text ends with its last token, or None if it goes on.

        A stop string counts wherever it lies in what the last token completes: the text ends
        with that token, and so may have a few characters more.
        """
        if written[-1] in self.eos:
            return EOS
        if not self.stop or self.tokenizer is None:
            return None
        window = max(map(len, self.stop)) * BYTES_A_CHARACTER + 1
        tail = self.tokenizer.decode(list(written[-window:]), skip_special_tokens=False)
        return STOP if any(text in tail for text in self.stop) else None


def find_stop(text: str, stop: Sequence[str]) -> int | None:
    """Return where the first stop string begins in a text, if there is one."""
    return min((at for one in stop if (at := text.find(one)) >= 0), default=None)


def possible_stop(text: str, stop: Sequence[str]) -> int:
    """Return how many characters at a text's end may become a stop string."""
    longest = max(map(len, stop), default=1) - 1
    lengths = range(min(longest, len(text)), 0, -1)
    return next((n for n in lengths if any(one.startswith(text[-n:]) for one in stop)), 0)
