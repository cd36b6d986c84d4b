"""Beam search: the likeliest texts as a whole, found by following several at once.

It chooses and stops as transformers does, so that both find the same texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serval.models.tensor import Array
from serval.tasks.generation.loop import GeneratedToken, Writing, log_softmax
from serval.tasks.generation.stops import LENGTH

NOWHERE = np.float32(-1e9)
"""The score of what must not be chosen."""


@dataclass(slots=True)
class Beams:
    """Texts of each input with their scores, best first."""

    ids: Array
    """INT64 [inputs, beams, capacity]: what is written, without prompts."""
    logs: Array
    """FP32, as ``ids``: each token's logarithmic probability."""
    scores: Array
    """FP32 [inputs, beams]."""
    lengths: Array
    """INT64 [inputs, beams]: how many tokens are written."""
    done: Array
    """BOOL [inputs, beams]: whether a text is at its end."""

    @classmethod
    def begin(cls, inputs: int, beams: int, capacity: int) -> "Beams":
        """Begin with texts that nothing is written of."""
        shape = (inputs, beams)
        return cls(
            np.zeros((*shape, capacity), np.int64),
            np.zeros((*shape, capacity), np.float32),
            np.full(shape, NOWHERE),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.bool_),
        )

    def take(self, order: Array) -> "Beams":
        """Choose texts: ``order`` is INT64 [inputs, n], indices of each input's texts."""
        rows = np.arange(len(order))[:, None]
        return Beams(
            self.ids[rows, order],
            self.logs[rows, order],
            self.scores[rows, order],
            self.lengths[rows, order],
            self.done[rows, order],
        )

    def join(self, other: "Beams") -> "Beams":
        """Put the texts of two beside each other."""
        return Beams(
            np.concatenate([self.ids, other.ids], axis=1),
            np.concatenate([self.logs, other.logs], axis=1),
            np.concatenate([self.scores, other.scores], axis=1),
            np.concatenate([self.lengths, other.lengths], axis=1),
            np.concatenate([self.done, other.done], axis=1),
        )


def search(writing: Writing, logits: Array) -> Iterator[GeneratedToken]:
    """Find the best text of each input, then yield its tokens.

    Parameters
    ----------
    logits
        Those of the run that read the prompt: [rows, n, vocabulary].
    """
    settings, decoding, history = writing.settings, writing.decoding, writing.history()
    inputs, beams = len(writing.prompt), settings.num_beams
    spread = np.repeat(np.arange(inputs), beams)
    history.select(spread)
    decoding.select(spread)
    logits = logits[spread]
    rules = writing.rules(logits.shape[-1])
    running = Beams.begin(inputs, beams, writing.limit - history.length)
    running.scores[:, 0] = 0.0
    finished = Beams.begin(inputs, beams, writing.limit - history.length)
    improvable = np.ones((inputs, 1), np.bool_)
    candidates = min(max(2, 1 + len(settings.eos)) * beams, beams * logits.shape[-1])
    while True:
        scores = log_softmax(logits[:, -1].astype(np.float32))
        for rule in rules:
            rule(history, scores)
        grown, sources = _grow(running, scores.reshape(inputs, beams, -1), candidates)
        grown.done = _ends(writing, grown)
        finished = _finish(finished, grown, writing, improvable)
        live = Beams(
            grown.ids, grown.logs, grown.scores + grown.done * NOWHERE, grown.lengths, grown.done
        )
        order = _best(live.scores, beams)
        running = live.take(order)
        improvable &= _may_improve(running, finished, writing)
        if not _goes_on(grown, finished, improvable, early=settings.early_stopping is True):
            break
        rows = (np.take_along_axis(sources, order, axis=1) + _offsets(inputs, beams)).reshape(-1)
        tokens = running.ids[:, :, running.lengths[0, 0] - 1].reshape(-1)
        history.select(rows)
        history.append(tokens)
        decoding.reorder(rows)
        logits = decoding.run(tokens[:, None])
    yield from _tokens(writing, finished)


def _grow(running: Beams, scores: Array, count: int) -> tuple[Beams, Array]:
    """Return the ``count`` best texts with one token more, and the beams that they grew from."""
    inputs, _, vocabulary = scores.shape
    total = (scores + running.scores[:, :, None]).reshape(inputs, -1)
    best = _best(total, count)
    sources, tokens = best // vocabulary, best % vocabulary
    grown = running.take(sources)
    rows = np.arange(inputs)[:, None]
    at = int(running.lengths[0, 0])
    grown.ids[:, :, at] = tokens
    grown.logs[:, :, at] = scores[rows, sources, tokens]
    grown.scores = np.take_along_axis(total, best, axis=1)
    grown.lengths = grown.lengths + 1
    return grown, sources


def _best(scores: Array, count: int) -> Array:
    """Return the indices of the best along the last axis, best first, ties in their order."""
    if count >= scores.shape[-1]:
        return np.argsort(-scores, axis=-1, kind="stable")[:, :count]
    found = np.sort(np.argpartition(-scores, count - 1, axis=-1)[:, :count], axis=-1)
    order = np.argsort(-np.take_along_axis(scores, found, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(found, order, axis=-1)


def _ends(writing: Writing, grown: Beams) -> Array:
    length = int(grown.lengths[0, 0])
    if writing.prompt.shape[1] + length >= writing.limit:
        return np.ones_like(grown.done)
    found = [
        [writing.ends.reason(text[:length]) is not None for text in texts] for texts in grown.ids
    ]
    return np.array(found, np.bool_)


def _finish(finished: Beams, grown: Beams, writing: Writing, improvable: Array) -> Beams:
    """Return the best of the texts that were finished, and those that now are."""
    settings = writing.settings
    done = grown.done.copy()
    done[:, settings.num_beams :] = False
    scores = grown.scores / np.float32(float(grown.lengths[0, 0]) ** settings.length_penalty)
    if settings.early_stopping is True:
        scores = scores + finished.done.all(axis=1, keepdims=True) * NOWHERE
    scores = scores + ~improvable * NOWHERE + ~done * NOWHERE
    both = finished.join(Beams(grown.ids, grown.logs, scores, grown.lengths, done))
    return both.take(_best(both.scores, settings.num_beams))


def _may_improve(running: Beams, finished: Beams, writing: Writing) -> Array:
    """Return for each input whether a running text could become better than a finished one."""
    settings = writing.settings
    length = int(running.lengths[0, 0])
    if settings.early_stopping == "never" and settings.length_penalty > 0:
        length = writing.limit - writing.prompt.shape[1]
    possible = running.scores[:, :1] / np.float32(float(length) ** settings.length_penalty)
    worst = finished.scores.min(axis=1, keepdims=True)
    better = possible > np.where(finished.done, worst, NOWHERE)
    improvable: Array = np.asarray(better.any(axis=1, keepdims=True))
    return improvable


def _goes_on(grown: Beams, finished: Beams, improvable: Array, *, early: bool) -> bool:
    full = early and bool(finished.done.all())
    return bool(improvable.any()) and not full and not bool(grown.done.all())


def _offsets(inputs: int, beams: int) -> Array:
    return (np.arange(inputs) * beams)[:, None]


def _tokens(writing: Writing, finished: Beams) -> Iterator[GeneratedToken]:
    for item in range(len(finished.ids)):
        length = int(finished.lengths[item, 0])
        ids = finished.ids[item, 0, :length].tolist()
        for index, (token, log) in enumerate(zip(ids, finished.logs[item, 0], strict=False)):
            end = (writing.ends.reason(ids) or LENGTH) if index == length - 1 else None
            yield GeneratedToken(item, token, float(log), end)
