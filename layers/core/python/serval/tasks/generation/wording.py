"""Tokens to text: a whole text at its end, or piece by piece while it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tokenizers

from serval.tasks.files import TaskFiles
from serval.tasks.parameters import Parameters

UNFINISHED = "\ufffd"
"""What a tokenizer writes for a character whose last bytes are still to come."""
CLEANED = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)
"""Spaces that tokenizers of words leave before what belongs to the word."""
UNSETTLED = sum(len(spaced) - 1 for spaced, _ in CLEANED)
"""How many characters at a text's end may be cleaned otherwise once more follow: each of the
replacements looks as far ahead as it is long."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How a model's tokens become text."""

    tokenizer: tokenizers.Tokenizer
    clean: bool
    """Whether spaces before punctuation are taken out unless a request says otherwise."""
    special: frozenset[int]
    """The tokens that are no text."""

    @classmethod
    def from_files(cls, files: TaskFiles, tokenizer: tokenizers.Tokenizer) -> "Wording":
        """Read tokenizer_config.json."""
        config = files.json("tokenizer_config.json")
        added = tokenizer.get_added_tokens_decoder()
        special = frozenset(token for token, text in added.items() if text.special)
        clean = bool(config.get("clean_up_tokenization_spaces", False))
        return cls(tokenizer, clean, special)

    def text(self, ids: Sequence[int], parameters: Parameters) -> str:
        """Return the text of tokens, without special ones."""
        text = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return clean_spaces(text) if self.cleans(parameters) else text

    def cleans(self, parameters: Parameters) -> bool:
        """Return whether spaces are cleaned.

        As in transformers, they are not for a tokenizer of byte pairs, which writes them as they
        were.
        """
        clean = parameters.flag("clean_up_tokenization_spaces", default=self.clean)
        return clean and not isinstance(self.tokenizer.model, tokenizers.models.BPE)


def clean_spaces(text: str) -> str:
    """Take out spaces before what belongs to the word before it."""
    for spaced, joined in CLEANED:
        text = text.replace(spaced, joined)
    return text


@dataclass(slots=True)
class Pieces:
    """A text that becomes readable token by token.

    A token's piece is what it adds to the text of those before it: bytes of a character wait for
    its last one, and a word keeps its space. The pieces of all tokens are the text of all.
    """

    tokenizer: tokenizers.Tokenizer
    skip_special: bool = False
    """Whether special tokens are no text."""
    ids: list[int] = field(default_factory=list)
    begin: int = 0
    """From here on tokens are decoded together: what comes before does not change them."""
    told: int = 0
    """How many tokens' text was returned."""
    before: str = ""
    """The text of the tokens between the two."""

    def add(self, token: int, *, last: bool = False) -> str:
        """Add a token; return what can now be read, perhaps nothing."""
        self.ids.append(token)
        text = self._decode(self.ids[self.begin :])
        if len(text) <= len(self.before) or (text.endswith(UNFINISHED) and not last):
            return ""
        piece = text[len(self.before) :]
        self.begin, self.told = self.told, len(self.ids)
        self.before = self._decode(self.ids[self.begin : self.told])
        return piece

    def _decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=self.skip_special)
        return text


def token_object(token: int, text: str, logprob: float | None, *, special: bool) -> dict[str, Any]:
    """Return a token as text-generation-inference writes it."""
    return {"id": token, "text": text, "logprob": logprob, "special": special}


def token_event(
    number: int, token: Mapping[str, Any], top: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """Return the event of a token; ``top`` has the likeliest of its step, where those are wanted.

    Tokens are as ``token_object`` writes them, and the first has number 1.
    """
    event = {"index": number, "token": token, "generated_text": None, "details": None}
    return event if top is None else event | {"top_tokens": top}


def last_event(
    event: Mapping[str, Any], text: str, finish: str, prompt_tokens: int | None, seed: int | None
) -> dict[str, Any]:
    """Return a token's event as the last one, which has the whole text and how it was written."""
    details = {
        "finish_reason": finish,
        "generated_tokens": event["index"],
        "input_length": prompt_tokens,
        "seed": seed,
    }
    return {**event, "generated_text": text, "details": details}
