"""From the labels of frames to text: connectionist temporal classification, decoded greedily.

Graves et al., "Connectionist Temporal Classification" (2006), section 3.2: repeated labels are one
letter, and blanks are none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from serval.foreign import refusing
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.text.tokenizer import token_text

VOCABULARY = "vocab.json"
TIDIED = {
    " .": ".", " ?": "?", " !": "!", " ,": ",", " ' ": "'",
    " n't": "n't", " 'm": "'m", " 's": "'s", " 've": "'ve", " 're": "'re",
}  # fmt: skip
"""What ``clean_up_tokenization_spaces`` of tokenizer_config.json does to English."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A letter or a word, and the frames in which it was heard, of which ``end`` is none."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CtcVocabulary:
    """The letters of a recogniser."""

    letters: Mapping[int, str]
    blank: str
    unknown: str
    delimiter: str | None
    """The letter that stands between words."""
    space: str
    """What is written for it."""
    lower: bool
    tidy: bool

    @classmethod
    def from_files(cls, files: TaskFiles) -> "CtcVocabulary":
        """Read vocab.json and tokenizer_config.json.

        A vocabulary of several languages has one object for each; ``target_lang`` of
        tokenizer_config.json or of model.yaml's ``task:`` says which is meant.

        Raises
        ------
        TaskUnreadable
            If there is no vocabulary, or it cannot be read.
        """
        files.path(VOCABULARY, "which has the letters of the recogniser")
        config, vocabulary = files.json("tokenizer_config.json"), files.json(VOCABULARY)
        language = files.options.get("target_lang") or config.get("target_lang")
        if language is not None:
            if not isinstance(vocabulary.get(language), dict):
                raise TaskUnreadable(f"{VOCABULARY} has no language {short_repr(language)}")
            vocabulary = vocabulary[language]
        added: Mapping[str, Any] = config.get("added_tokens_decoder") or {}
        with refusing(
            lambda said: TaskUnreadable(f"{VOCABULARY} has no number for each letter: {said}")
        ):
            letters = {int(index): token_text(token) or "" for index, token in added.items()}
            letters |= {int(index): letter for letter, index in vocabulary.items()}
        return cls(
            letters,
            blank=token_text(config.get("pad_token")) or "<pad>",
            unknown=token_text(config.get("unk_token")) or "<unk>",
            delimiter=config.get("word_delimiter_token", "|"),
            space=config.get("replace_word_delimiter_char", " "),
            lower=bool(config.get("do_lower_case")),
            tidy=bool(config.get("clean_up_tokenization_spaces")),
        )

    def spell(self, frames: Sequence[int]) -> list[Spoken]:
        """Return the letters of a sequence of frames' labels."""
        letters, start = [], 0
        for letter, same in groupby(self.letters.get(label, self.unknown) for label in frames):
            end = start + sum(1 for _ in same)
            if letter != self.blank:
                shown = self.space if letter == self.delimiter else letter
                letters.append(Spoken(shown, start, end))
            start = end
        return letters

    def text(self, letters: Sequence[Spoken]) -> str:
        """Join letters into a text."""
        text = "".join(letter.text for letter in letters).strip()
        if self.lower:
            text = text.lower()
        if self.tidy:
            for apart, together in TIDIED.items():
                text = text.replace(apart, together)
        return text

    def words(self, letters: Sequence[Spoken]) -> Iterator[Spoken]:
        """Join the letters between two spaces."""
        spaces = [index for index, letter in enumerate(letters) if letter.text == self.space]
        for before, after in pairwise([-1, *spaces, len(letters)]):
            word = letters[before + 1 : after]
            if word:
                yield Spoken("".join(one.text for one in word), word[0].start, word[-1].end)
