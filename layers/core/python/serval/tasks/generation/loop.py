"""The loop that writes: one token for each text of a batch in every run of the decoder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from serval.models.tensor import Array
from serval.tasks.generation.decoder import Decoding
from serval.tasks.generation.history import History
from serval.tasks.generation.rules import Rule, make_rules
from serval.tasks.generation.sampling import draw, make_filters
from serval.tasks.generation.settings import MOST_SEED, GenerationSettings
from serval.tasks.generation.stops import LENGTH, Ends


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """One token of one text."""

    item: int
    """Which input of the batch it continues."""
    id: int
    logprob: float | None = None
    """The logarithm of its probability, where that is wanted."""
    finish: str | None = None
    """Why the text ends with it: ``length``, ``eos_token`` or ``stop_sequence``."""
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens of the step with their logarithmic probabilities."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A batch that is about to be written."""

    decoding: Decoding
    prompt: Array
    """INT64 [rows, n], padded on the left."""
    ends: Ends
    settings: GenerationSettings
    sources: Sequence[Array] = ()
    """What the encoder read of each input, if it read tokens."""
    more_rules: Sequence[Rule] = ()
    """Rules of one kind of model, such as of the timestamps in speech."""
    written: Sequence[int] = ()
    """The tokens that each text begins with, since a reader has them already."""

    @property
    def limit(self) -> int:
        """The length at which every text ends, prompt included."""
        return self.settings.limit(self.prompt.shape[1])

    def history(self) -> History:
        """Begin the history of the batch."""
        mask = self.decoding.mask[:, : self.prompt.shape[1]]
        return History.begin(self.prompt, self.limit, mask)

    def rules(self, vocabulary: int) -> list[Rule]:
        """Return the rules for the scores of a step."""
        length = self.prompt.shape[1]
        rules = make_rules(self.settings, self.limit, length, vocabulary, self.sources)
        return [*rules, *self.more_rules]

    def hold(self, history: History, chosen: Array) -> Array:
        """Return the next tokens INT64 [rows]: those chosen, unless they are written already."""
        step = history.length - history.prompt
        return np.full_like(chosen, self.written[step]) if step < len(self.written) else chosen


def write(writing: Writing, logits: Array) -> Iterator[GeneratedToken]:
    """Write a batch token by token, the likeliest one or one drawn.

    Each step yields a token for every text that goes on, in their order. A text is drawn by its
    own numbers, so that it does not depend on what else is in the batch.

    Parameters
    ----------
    logits
        Those of the run that read the prompt: [rows, n, vocabulary].
    """
    settings, decoding, history = writing.settings, writing.decoding, writing.history()
    rules, filters = writing.rules(logits.shape[-1]), make_filters(settings)
    # Random would take a seed without its sign.
    seed = settings.seed % (2 * MOST_SEED)
    randoms = [Random(seed) for _ in range(len(writing.prompt))]
    while True:
        scores = logits[:, -1].astype(np.float32)
        for rule in rules:
            rule(history, scores)
        for keep in filters:
            scores = keep(scores)
        if settings.do_sample:
            drawn = [
                draw(row, randoms[item]) for row, item in zip(scores, history.items, strict=True)
            ]
            chosen = np.array(drawn, np.int64)
        else:
            chosen = scores.argmax(axis=-1)
        chosen = writing.hold(history, chosen)
        history.append(chosen)
        tokens = _describe(writing, history, scores)
        yield from tokens
        if any(token.finish for token in tokens):
            on = np.flatnonzero([token.finish is None for token in tokens])
            if len(on) == 0:
                return
            history.select(on)
            decoding.select(on)
            chosen = chosen[on]
        logits = decoding.run(chosen[:, None])


def _describe(writing: Writing, history: History, scores: Array) -> list[GeneratedToken]:
    settings = writing.settings
    logs = log_softmax(scores) if settings.logprobs or settings.top_tokens else None
    at_limit = LENGTH if history.length >= writing.limit else None
    tokens = []
    for row, item in enumerate(history.items.tolist()):
        written = history.continuation(row).tolist()
        token = written[-1]
        tokens.append(
            GeneratedToken(
                item,
                token,
                None if logs is None else float(logs[row, token]),
                writing.ends.reason(written) or at_limit,
                () if logs is None else _best(logs[row], settings.top_tokens),
            )
        )
    return tokens


def log_softmax(scores: Array) -> Array:
    """Return the logarithm of the softmax over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _best(logs: Array, count: int) -> tuple[tuple[int, float], ...]:
    if not count:
        return ()
    order = np.argsort(-logs, kind="stable")[:count]
    return tuple((int(token), float(logs[token])) for token in order if logs[token] > -np.inf)
