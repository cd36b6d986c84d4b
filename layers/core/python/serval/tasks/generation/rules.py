"""Rules that change the scores of the next token before one is chosen.

They are the logits processors of transformers, in its order.
"""

from collections.abc import Callable, Sequence

import numpy as np

from serval.models.tensor import Array
from serval.tasks.generation.history import History
from serval.tasks.generation.settings import GenerationSettings

Rule = Callable[[History, Array], None]
"""Changes scores FP32 [rows, vocabulary] in place."""


def make_rules(
    settings: GenerationSettings,
    limit: int,
    prompt: int,
    vocabulary: int,
    sources: Sequence[Array] = (),
) -> list[Rule]:
    """Return the rules that settings ask for.

    Parameters
    ----------
    limit
        The length at which writing ends, prompt included.
    prompt
        The length of the prompt.
    vocabulary
        How many scores a step has; ids beyond are left out.
    sources
        What the encoder read of each input, if it read tokens.
    """
    least = prompt + settings.min_new_tokens if settings.min_new_tokens else settings.min_length
    begin = prompt + (prompt <= 1 and settings.forced_bos is not None)
    ends, last = _columns(settings.eos, vocabulary), _columns(settings.forced_eos, vocabulary)
    words = [word for word in settings.bad_words if len(word) > 1 or word[0] not in settings.eos]
    words = [word for word in words if max(word) < vocabulary]
    suppress = _columns(settings.suppress, vocabulary)
    suppress_first = _columns(settings.begin_suppress, vocabulary)
    first = [] if settings.forced_bos is None else _columns([settings.forced_bos], vocabulary)
    rules = [
        (bool(sources) and settings.encoder_repetition_penalty != 1.0)
        and _favour_source(settings.encoder_repetition_penalty, sources),
        settings.repetition_penalty != 1.0 and _penalise_repetition(settings.repetition_penalty),
        bool(settings.frequency_penalty or settings.presence_penalty)
        and _penalise_frequency(settings.frequency_penalty, settings.presence_penalty),
        settings.no_repeat_ngram_size > 0 and _ban_repeated(settings.no_repeat_ngram_size),
        (bool(sources) and settings.encoder_no_repeat_ngram_size > 0)
        and _ban_source(settings.encoder_no_repeat_ngram_size, sources),
        bool(words) and _ban_words(words),
        (bool(ends) and least > prompt) and _ban_until(least, ends),
        bool(first) and _force_at(1, first),
        bool(last) and _force_at(limit - 1, last),
        settings.decay is not None
        and _favour_end(prompt + settings.decay[0], settings.decay[1], ends),
        bool(suppress) and _suppress(suppress),
        bool(suppress_first) and _suppress_at(begin, suppress_first),
    ]
    return [rule for rule in rules if callable(rule)]


def _columns(ids: Sequence[int], vocabulary: int) -> list[int]:
    return [one for one in ids if one < vocabulary]


def _penalise_repetition(penalty: float) -> Rule:
    # Keskar et al., "CTRL" (2019), section 4.1.
    def rule(history: History, scores: Array) -> None:
        for row, line in enumerate(scores):
            ids = history.row(row)
            ids = ids[ids < line.size]
            line[ids] = _scale(line[ids], penalty)

    return rule


def _favour_source(penalty: float, sources: Sequence[Array]) -> Rule:
    def rule(history: History, scores: Array) -> None:
        for item, line in zip(history.items, scores, strict=True):
            ids = sources[item]
            ids = ids[ids < line.size]
            line[ids] = _scale(line[ids], 1.0 / penalty)

    return rule


def _scale(scores: Array, penalty: float) -> Array:
    return np.where(scores < 0, scores * np.float32(penalty), scores / np.float32(penalty))


def _penalise_frequency(frequency: float, presence: float) -> Rule:
    def rule(history: History, scores: Array) -> None:
        for row, line in enumerate(scores):
            ids, counts = np.unique(history.continuation(row), return_counts=True)
            line[ids] -= (frequency * counts + presence).astype(np.float32)

    return rule


def _ban_repeated(size: int) -> Rule:
    def rule(history: History, scores: Array) -> None:
        for row, line in enumerate(scores):
            ids = history.row(row)
            line[_continuations(ids, ids, size)] = -np.inf

    return rule


def _ban_source(size: int, sources: Sequence[Array]) -> Rule:
    def rule(history: History, scores: Array) -> None:
        for row, line in enumerate(scores):
            source = sources[history.items[row]]
            line[_continuations(source, history.row(row), size)] = -np.inf

    return rule


def _continuations(text: Array, written: Array, size: int) -> Array:
    """Return what follows in a text wherever it has the last ``size - 1`` tokens written."""
    if len(text) < size or len(written) < size - 1:
        return text[:0]
    grams = np.lib.stride_tricks.sliding_window_view(text, size)
    last = written[len(written) - size + 1 :]
    found: Array = grams[(grams[:, :-1] == last).all(axis=1), -1]
    return found


def _ban_words(words: Sequence[tuple[int, ...]]) -> Rule:
    def rule(history: History, scores: Array) -> None:
        for row, line in enumerate(scores):
            ids = history.row(row)
            for *lead, last in words:
                before = ids[len(ids) - len(lead) :] if len(lead) <= len(ids) else None
                if before is not None and before.tolist() == lead:
                    line[last] = -np.inf

    return rule


def _ban_until(length: int, columns: list[int]) -> Rule:
    def rule(history: History, scores: Array) -> None:
        if history.length < length:
            scores[:, columns] = -np.inf

    return rule


def _force_at(length: int, columns: list[int]) -> Rule:
    def rule(history: History, scores: Array) -> None:
        if history.length == length:
            scores[:] = -np.inf
            scores[:, columns] = 0.0

    return rule


def _favour_end(start: int, factor: float, columns: list[int]) -> Rule:
    def rule(history: History, scores: Array) -> None:
        if history.length > start:
            ends = scores[:, columns]
            more = np.abs(ends) * np.float32(factor ** (history.length - start) - 1)
            scores[:, columns] = ends + np.where(np.isfinite(ends), more, 0.0)

    return rule


def _suppress(columns: list[int]) -> Rule:
    def rule(_: History, scores: Array) -> None:
        scores[:, columns] = -np.inf

    return rule


def _suppress_at(length: int, columns: list[int]) -> Rule:
    def rule(history: History, scores: Array) -> None:
        if history.length == length:
            scores[:, columns] = -np.inf

    return rule
