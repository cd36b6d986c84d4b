"""Entities of a text: classes of its tokens, joined to words and groups as a strategy says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tokenizers

from serval.models.tensor import Array
from serval.tasks.text.tokenizer import TextTokenizer

STRATEGIES = ("none", "simple", "first", "average", "max")
"""How tokens become entities.

``none``: they do not. ``simple``: neighbours of one class are one entity. The others do the same
with words, whose class is that of the ``first`` token, of the ``average`` of its tokens' scores, or
of the token with the highest (``max``).
"""


@dataclass(frozen=True, slots=True)
class TaggedToken:
    """A token of a text with the scores of its classes, [classes]."""

    word: str
    scores: Array
    index: int
    start: int
    end: int
    continues: bool
    """Whether it goes on with the word of the token before."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A part of a text with its label."""

    label: str
    score: float
    word: str
    start: int
    end: int
    index: int | None = None
    """The position of the token, where an entity is one."""

    def to_json(self) -> dict[str, Any]:
        """Return it as clients read it."""
        where = {"word": self.word, "start": self.start, "end": self.end}
        if self.index is None:
            return {"entity_group": self.label, "score": self.score, **where}
        return {"entity": self.label, "score": self.score, "index": self.index, **where}

    @property
    def begins(self) -> bool:
        """Whether its label says that a new entity begins, as in ``B-PER``."""
        return self.label.startswith("B-")

    @property
    def tag(self) -> str:
        """The label without ``B-`` or ``I-``."""
        return self.label[2:] if self.label.startswith(("B-", "I-")) else self.label


@dataclass(frozen=True, slots=True)
class EntityReader:
    """Reads the entities from the scores of a text's tokens."""

    tokenizer: TextTokenizer
    labels: Sequence[str]

    def read(
        self, text: str, encoding: tokenizers.Encoding, scores: Array, strategy: str
    ) -> list[Entity]:
        """Return the entities of one window, in their order; scores are [tokens, classes]."""
        tokens = self.tokens(text, encoding, scores)
        if strategy == "none":
            return [self._of_token(token) for token in tokens]
        if strategy == "simple":
            return self._groups([self._of_token(token) for token in tokens])
        return self._groups([self._of_word(word, strategy) for word in words_of(tokens)])

    def tokens(self, text: str, encoding: tokenizers.Encoding, scores: Array) -> list[TaggedToken]:
        """Return the tokens of the text itself, without special ones.

        A tokenizer that marks the tokens within a word is asked by their length: a marked token is
        longer than its text. For others, a token goes on with a word if no space is before it.
        """
        tokenizer = self.tokenizer.tokenizer
        marks = bool(getattr(tokenizer.model, "continuing_subword_prefix", None))
        unknown = self.tokenizer.special_ids.get("unk_token")
        tokens = []
        for index, special in enumerate(encoding.special_tokens_mask):
            if special:
                continue
            identifier, (start, end) = encoding.ids[index], encoding.offsets[index]
            word, written = tokenizer.id_to_token(identifier) or "", text[start:end]
            if marks:
                continues = len(word) != len(written)
            else:
                continues = start > 0 and " " not in text[start - 1 : start + 1]
            if identifier == unknown:
                word, continues = written, False
            tokens.append(TaggedToken(word, scores[index], index, start, end, continues))
        return tokens

    def _of_token(self, token: TaggedToken) -> Entity:
        best = int(token.scores.argmax())
        return Entity(
            self.labels[best],
            float(token.scores[best]),
            token.word,
            token.start,
            token.end,
            token.index,
        )

    def _of_word(self, tokens: Sequence[TaggedToken], strategy: str) -> Entity:
        scores = np.stack([token.scores for token in tokens])
        if strategy == "first":
            scores = scores[0]
        elif strategy == "average":
            scores = scores.mean(axis=0)
        else:
            scores = scores[scores.max(axis=1).argmax()]
        best = int(scores.argmax())
        text = self.tokenizer.text_of([token.word for token in tokens])
        start, end = tokens[0].start, tokens[-1].end
        return Entity(self.labels[best], float(scores[best]), text, start, end)

    def _groups(self, entities: Iterable[Entity]) -> list[Entity]:
        """Join neighbours of one tag, unless the second begins anew."""
        groups: list[list[Entity]] = []
        for entity in entities:
            if groups and not entity.begins and entity.tag == groups[-1][-1].tag:
                groups[-1].append(entity)
            else:
                groups.append([entity])
        return [self._group(group) for group in groups]

    def _group(self, members: Sequence[Entity]) -> Entity:
        return Entity(
            members[0].label.partition("-")[2] or members[0].label,
            float(np.mean([member.score for member in members])),
            self.tokenizer.text_of([member.word for member in members]),
            members[0].start,
            members[-1].end,
        )


def words_of(tokens: Iterable[TaggedToken]) -> list[list[TaggedToken]]:
    """Return the tokens of each word."""
    words: list[list[TaggedToken]] = []
    for token in tokens:
        if words and token.continues:
            words[-1].append(token)
        else:
            words.append([token])
    return words


def drop_overlaps(entities: Sequence[Entity]) -> list[Entity]:
    """Return entities of several windows, the longer of two that overlap, else the surer one."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda one: one.start):
        if not kept or not kept[-1].start <= entity.start < kept[-1].end:
            kept.append(entity)
            continue
        length, last = entity.end - entity.start, kept[-1].end - kept[-1].start
        if length > last or (length == last and entity.score > kept[-1].score):
            kept[-1] = entity
    return kept
