"""Text to tokens by a table of characters, as VITS and MMS have it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from serval.errors import InvalidInputs
from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.text.tokenizer import token_text

VOCABULARY = "vocab.json"
BLANK = 0


@dataclass(frozen=True, slots=True)
class CharacterTokenizer:
    """One token for a character, with a blank before, between and after them.

    Kim et al., "Conditional Variational Autoencoder with Adversarial Learning for End-to-End
    Text-to-Speech" (2021), 2.2.3 and appendix B, for the blanks.
    """

    numbers: Mapping[str, int]
    special: re.Pattern[str] | None
    """Tokens of more than one meaning, such as padding, which stand without blanks."""
    unknown: int | None
    add_blank: bool
    normalize: bool
    """Whether text is made lower case and what is not in the table is dropped."""
    romanized: bool
    language: str | None

    @classmethod
    def from_files(cls, files: TaskFiles) -> "CharacterTokenizer":
        """Read vocab.json and tokenizer_config.json.

        Raises
        ------
        TaskUnreadable
            If there is no table, or the model takes phonemes, which need a dictionary.
        """
        files.path(VOCABULARY, "which has a number for each character")
        numbers, config = files.json(VOCABULARY), files.json("tokenizer_config.json")
        if not numbers or not all(type(number) is int for number in numbers.values()):
            raise TaskUnreadable(f"{VOCABULARY}: a number for each character expected")
        if config.get("phonemize", True):
            raise TaskUnreadable(
                "tokenizer_config.json: phonemize: the model takes phonemes, which Serval does not "
                'make; write "phonemize": false there, and requests send phonemes'
            )
        unknown = token_text(config.get("unk_token")) or "<unk>"
        added = (config.get("added_tokens_decoder") or {}).values()
        names = {token_text(token) for token in added} | {unknown}
        names.add(token_text(config.get("pad_token")) or "<pad>")
        return cls(
            numbers,
            re.compile(
                "|".join(re.escape(name) for name in sorted(filter(None, names), key=len)[::-1])
            ),
            numbers.get(unknown),
            add_blank=bool(config.get("add_blank", True)),
            normalize=bool(config.get("normalize", True)),
            romanized=bool(config.get("is_uroman")),
            language=config.get("language"),
        )

    def encode(self, text: str, index: int) -> dict[str, Array]:
        """Return ``input_ids`` and ``attention_mask``, INT64 [1, n].

        Raises
        ------
        InvalidInputs
            If no character of the text is in the table, or it has to be romanised first.
        """
        ids = np.asarray([list(self._ids(self._clean(text, index)))], np.int64)
        if not ids.size:
            raise InvalidInputs(
                f"input {index}: {short_repr(text)} given, which has none of the characters that "
                "the model speaks"
            )
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    def _clean(self, text: str, index: int) -> str:
        if self.normalize:
            text = self._lower(text)
        if self.language == "ron":
            text = text.replace("ț", "ţ")
        if self.romanized and not text.isascii():
            raise InvalidInputs(
                f"input {index}: {short_repr(text)} given, a text in Latin letters expected, as "
                "uroman writes it"
            )
        if self.normalize:
            text = "".join(letter for letter in text if letter in self.numbers).strip()
        return text

    def _lower(self, text: str) -> str:
        known = re.compile("|".join(map(re.escape, self.numbers)))
        written, position = [], 0
        for match in known.finditer(text):
            written += [text[position : match.start()].lower(), match.group()]
            position = match.end()
        return "".join([*written, text[position:].lower()])

    def _ids(self, text: str) -> Iterator[int]:
        position = 0
        for match in self.special.finditer(text) if self.special else ():
            yield from self._with_blanks(text[position : match.start()])
            yield from self._number(match.group())
            position = match.end()
        yield from self._with_blanks(text[position:])

    def _with_blanks(self, text: str) -> Iterator[int]:
        if text and self.add_blank:
            yield BLANK
        for letter in text:
            yield from self._number(letter)
            if self.add_blank:
                yield BLANK

    def _number(self, token: str) -> Iterator[int]:
        number = self.numbers.get(token, self.unknown)
        if number is not None:
            yield number
