"""Text to tokens, by the ``tokenizer.json`` that the model's makers wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tokenizers

from serval.errors import InvalidInputs
from serval.foreign import refusing
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable

TOKENIZER = "tokenizer.json"
UNLIMITED = 10**9
"""Configs write numbers such as 1e30 when a tokenizer has no limit."""
Text = str | tuple[str, str]
"""A text, or a pair of texts."""


@dataclass(frozen=True, slots=True)
class TextTokenizer:
    """A tokenizer with what its config says of padding and length."""

    tokenizer: tokenizers.Tokenizer
    max_length: int | None
    """The longest sequence that the model takes, in tokens, special ones included."""
    truncate: bool
    """Whether longer text is cut; otherwise it is refused."""
    pad_id: int
    pad_type_id: int
    pad_left: bool

    @classmethod
    def from_files(cls, files: TaskFiles) -> "TextTokenizer":
        """Read tokenizer.json, tokenizer_config.json and config.json.

        Raises
        ------
        TaskUnreadable
            If there is no tokenizer, or it cannot be read.
        """
        path = files.path(TOKENIZER, "which turns text into tokens")
        with refusing(lambda said: TaskUnreadable(f"{TOKENIZER}: {said}")):
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        config, tokenizer_config = files.json("config.json"), files.json("tokenizer_config.json")
        pad_token = token_text(tokenizer_config.get("pad_token"))
        pad_id = tokenizer.token_to_id(pad_token) if pad_token else None
        if pad_id is None:
            pad_id = config.get("pad_token_id")
        return cls(
            tokenizer,
            _max_length(files.options.get("max_length"), config, tokenizer_config),
            truncate=bool(files.options.get("truncation", True)),
            pad_id=pad_id if isinstance(pad_id, int) else 0,
            pad_type_id=int(tokenizer_config.get("pad_token_type_id") or 0),
            pad_left=tokenizer_config.get("padding_side") == "left",
        )

    def encode(
        self, texts: Sequence[Text], *, special: bool = True, truncate: bool | None = None
    ) -> list[tokenizers.Encoding]:
        """Tokenise a batch; each encoding has ids, offsets, word ids and the special-token mask.

        Raises
        ------
        InvalidInputs
            If a text is longer than the model takes and must not be cut.
        """
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=special)
        if self.max_length is None:
            return encodings
        cut = self.truncate if truncate is None else truncate
        for index, encoding in enumerate(encodings):
            if len(encoding) <= self.max_length:
                continue
            if not cut:
                raise InvalidInputs(
                    f"input {index}: {len(encoding)} tokens, the model takes at most "
                    f"{self.max_length}: shorten it, or let it be cut with 'truncation: true' "
                    "under 'task:' in model.yaml"
                )
            return self._encode_cut(texts, special=special)
        return encodings

    def _encode_cut(self, texts: Sequence[Text], *, special: bool) -> list[tokenizers.Encoding]:
        # A tokenizer keeps its truncation; one environment runs one call at a time.
        self.tokenizer.enable_truncation(self.max_length or UNLIMITED)
        try:
            return self.tokenizer.encode_batch(list(texts), add_special_tokens=special)
        finally:
            self.tokenizer.no_truncation()

    def pad(self, encodings: Sequence[tokenizers.Encoding]) -> dict[str, Array]:
        """Return ``input_ids``, ``attention_mask`` and ``token_type_ids``, each INT64 [batch, n].

        ``n`` is the length of the longest.
        """
        longest = max((len(encoding) for encoding in encodings), default=0)
        ids = np.full((len(encodings), longest), self.pad_id, np.int64)
        mask = np.zeros_like(ids)
        types = np.full_like(ids, self.pad_type_id)
        for row, encoding in enumerate(encodings):
            where = slice(longest - len(encoding), None) if self.pad_left else slice(len(encoding))
            ids[row, where] = encoding.ids
            mask[row, where] = encoding.attention_mask
            types[row, where] = encoding.type_ids
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def token_text(token: Any) -> str | None:
    """Return a special token's text; configs write it plain or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _max_length(
    option: int | None, config: dict[str, Any], tokenizer_config: dict[str, Any]
) -> int | None:
    if option is not None:
        return option
    found = [
        int(value)
        for value in (
            tokenizer_config.get("model_max_length"),
            config.get("max_position_embeddings"),
            config.get("n_positions"),
        )
        if isinstance(value, int | float) and 0 < value < UNLIMITED
    ]
    return min(found) if found else None
