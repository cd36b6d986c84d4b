"""Text to tokens, by the ``tokenizer.json`` that the model's makers wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tokenizers

from serval.errors import InvalidInputs
from serval.foreign import refusing
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph

TOKENIZER = "tokenizer.json"
INPUT_IDS = "input_ids"
UNLIMITED = 10**9
"""Configs write numbers such as 1e30 when a tokenizer has no limit."""
Text = str | tuple[str, str]
"""A text, or a pair of texts."""
Shorten = Literal["longest_first", "only_first", "only_second"]
CLOSED_UP = (
    *((f" {mark}", mark) for mark in ".?!,"),
    (" ' ", "'"),
    *((f" {ending}", ending) for ending in ("n't", "'m", "'s", "'ve", "'re")),
)
"""What closes up in decoded text where a tokenizer's config asks for it."""
USUAL_TOKENS = {
    "cls_token": ("[CLS]", "<s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
}
"""Special tokens where tokenizer_config.json names none, as older ones do not."""
POSITIONS_BEHIND_PADDING = frozenset(
    ("camembert", "data2vec-text", "longformer", "mpnet", "roberta", "xlm-roberta")
)
"""Kinds of model whose first position is the padding's id + 1."""


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
    special_ids: Mapping[str, int]
    """The ids of ``cls_token``, ``mask_token`` and so on, of those that the tokenizer has."""
    cut_left: bool = False
    """Whether text that is too long loses its beginning."""
    clean_up: bool = False
    """Whether decoded text loses its spaces before punctuation."""
    padded_length: int | None = None
    """The length of every sequence, of a graph that takes no other."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph | None = None) -> "TextTokenizer":
        """Read tokenizer.json, tokenizer_config.json and config.json.

        Of a graph whose ``input_ids`` have a fixed length, that is also the longest sequence.

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
        special_ids = find_special_tokens(tokenizer, tokenizer_config)
        pad_id = special_ids.get("pad_token", config.get("pad_token_id"))
        longest = _max_length(files.options.get("max_length"), config, tokenizer_config)
        fixed = None if graph is None else graph.extent(INPUT_IDS, -1)
        return cls(
            tokenizer,
            min((length for length in (longest, fixed) if length is not None), default=None),
            truncate=bool(files.options.get("truncation", True)),
            pad_id=pad_id if isinstance(pad_id, int) else 0,
            pad_type_id=int(tokenizer_config.get("pad_token_type_id") or 0),
            pad_left=tokenizer_config.get("padding_side") == "left",
            special_ids=special_ids,
            cut_left=tokenizer_config.get("truncation_side") == "left",
            clean_up=tokenizer_config.get("clean_up_tokenization_spaces") is True
            and not isinstance(tokenizer.model, tokenizers.models.BPE),
            padded_length=fixed,
        )

    def encode(
        self,
        texts: Sequence[Text],
        *,
        special: bool = True,
        truncate: bool | None = None,
        shorten: Shorten = "longest_first",
        cut_left: bool | None = None,
        names: Sequence[str] = (),
    ) -> list[tokenizers.Encoding]:
        """Tokenise a batch; each encoding has ids, offsets, word ids and the special-token mask.

        ``shorten`` says which text of a pair is cut, ``cut_left`` at which end. ``names`` are what
        messages call the texts; without them they are inputs.

        Raises
        ------
        InvalidInputs
            If a text has no token, or is longer than the model takes and must not be cut.
        """
        encodings = self.encode_whole(texts, special=special)
        cut = self.truncate if truncate is None else truncate
        too_long = False
        for index, encoding in enumerate(encodings):
            if not len(encoding):
                raise InvalidInputs(f"{_name(names, index)}: the text is empty")
            if self.max_length is None or len(encoding) <= self.max_length:
                continue
            if not cut:
                raise InvalidInputs(
                    f"{_name(names, index)}: {len(encoding)} tokens, the model takes at most "
                    f"{self.max_length}: shorten it, or let it be cut with 'truncation: true' "
                    "under 'task:' in model.yaml"
                )
            too_long = True
        if not too_long or self.max_length is None:
            return encodings
        return self._encode_cut(
            texts, self.max_length, special=special, shorten=shorten, cut_left=cut_left
        )

    def windows(
        self, text: Text, length: int, stride: int, shorten: Shorten = "longest_first"
    ) -> list[tokenizers.Encoding]:
        """Tokenise a text into windows of ``length`` tokens, ``stride`` of which they share.

        Of a pair, ``shorten`` says which text is divided; the other is in every window.

        Raises
        ------
        InvalidInputs
            If there is no room for another window's text.
        """
        first = self._encode_cut([text], length, stride=stride, shorten=shorten)[0]
        return [first, *first.overflowing]

    def encode_whole(self, texts: Sequence[Text], *, special: bool) -> list[tokenizers.Encoding]:
        """Tokenise a batch, however long its texts are.

        Raises
        ------
        InvalidInputs
            If a text has characters that are none, such as half of a surrogate pair.
        """
        with refusing(lambda said: InvalidInputs(f"a text cannot be read: {said}")):
            return self.tokenizer.encode_batch(list(texts), add_special_tokens=special)

    def _encode_cut(
        self,
        texts: Sequence[Text],
        length: int,
        *,
        stride: int = 0,
        special: bool = True,
        shorten: Shorten = "longest_first",
        cut_left: bool | None = None,
    ) -> list[tokenizers.Encoding]:
        # A tokenizer keeps its truncation; one environment runs one call at a time.
        left = self.cut_left if cut_left is None else cut_left
        try:
            with refusing(lambda said: InvalidInputs(f"no cut to {length} tokens fits: {said}")):
                self.tokenizer.enable_truncation(
                    length, stride=stride, strategy=shorten, direction="left" if left else "right"
                )
                return self.tokenizer.encode_batch(list(texts), add_special_tokens=special)
        finally:
            self.tokenizer.no_truncation()

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """Return the text of tokens."""
        text = self.tokenizer.decode(list(ids), skip_special_tokens=skip_special)
        if self.clean_up:
            for spaced, closed in CLOSED_UP:
                text = text.replace(spaced, closed)
        return text

    def text_of(self, tokens: Sequence[str]) -> str:
        """Return the text of tokens that are given by their names in the vocabulary."""
        decoder = self.tokenizer.decoder
        return decoder.decode(list(tokens)) if decoder else " ".join(tokens)

    def lower_case(self) -> None:
        """Have the tokenizer lower-case its text before all else."""
        steps = [tokenizers.normalizers.Lowercase()]
        if self.tokenizer.normalizer is not None:
            steps.append(self.tokenizer.normalizer)
        self.tokenizer.normalizer = tokenizers.normalizers.Sequence(steps)

    def pad(self, encodings: Sequence[tokenizers.Encoding]) -> dict[str, Array]:
        """Return what a text model may take, each INT64 [batch, n].

        ``n`` is the length of the longest, or that of every sequence of the graph.

        That is ``input_ids``, ``attention_mask``, ``token_type_ids`` and ``position_ids``.
        """
        longest = self.padded_length or max(map(len, encodings), default=0)
        ids = np.full((len(encodings), longest), self.pad_id, np.int64)
        mask = np.zeros_like(ids)
        types = np.full_like(ids, self.pad_type_id)
        for row, encoding in enumerate(encodings):
            where = slice(longest - len(encoding), None) if self.pad_left else slice(len(encoding))
            ids[row, where] = encoding.ids
            mask[row, where] = encoding.attention_mask
            types[row, where] = encoding.type_ids
        positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
        return {
            INPUT_IDS: ids,
            "attention_mask": mask,
            "token_type_ids": types,
            "position_ids": positions,
        }


def find_special_tokens(
    tokenizer: tokenizers.Tokenizer, config: Mapping[str, Any]
) -> dict[str, int]:
    """Return the id of each special token, by its name in tokenizer_config.json."""
    found = {}
    for name, usual in USUAL_TOKENS.items():
        named = token_text(config.get(name))
        for token in usual if name not in config else [named] if named else []:
            identifier = tokenizer.token_to_id(token)
            if identifier is not None:
                found[name] = identifier
                break
    return found


def _name(names: Sequence[str], index: int) -> str:
    return names[index] if names else f"input {index}"


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
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and config.get("model_type") in POSITIONS_BEHIND_PADDING:
        positions -= int(config.get("pad_token_id") or 0) + 1
    found = [
        int(value)
        for value in (
            tokenizer_config.get("model_max_length"),
            positions,
            config.get("n_positions"),
        )
        if isinstance(value, int | float) and 0 < value < UNLIMITED
    ]
    return min(found) if found else None
