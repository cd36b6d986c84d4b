"""Timestamps that a recogniser writes between its words.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.3:
tokens beyond that of "no timestamps" are times, two hundredths of a second apart, and stand in
pairs around what was said.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.tasks.generation.history import History

STEPS_OF_CHUNK = 1500


@dataclass(frozen=True, slots=True)
class TimeTokens:
    """Which tokens are times."""

    first: int
    """The token of 0 seconds; ``none`` comes before it."""
    step_seconds: float
    ends: int
    """The token that ends a text: those before it are words."""
    latest_first: int | None
    """How many steps into the sound its first word may begin."""

    @property
    def none(self) -> int:
        """The token that announces a text without times."""
        return self.first - 1

    def rule(self, history: History, scores: Array) -> None:
        """Have times come in pairs and never go back.

        Scores are FP32 [rows, vocabulary], and are changed in place. The last step is that of
        section 4.5: a time is written where times together are likelier than any word.
        """
        scores[:, self.none] = -np.inf
        for row in range(len(scores)):
            self._keep_order(history.continuation(row), scores[row])
        if history.length == history.prompt:
            scores[:, : self.first] = -np.inf
            if self.latest_first is not None:
                scores[:, self.first + self.latest_first + 1 :] = -np.inf
        times, words = scores[:, self.first :], scores[:, : self.first]
        best = times.max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            together = best[:, 0] + np.log(np.exp(times - best).sum(axis=1))
        words[together > words.max(axis=1)] = -np.inf

    def _keep_order(self, written: Array, scores: Array) -> None:
        is_time = written >= self.first
        after_time = bool(is_time[-1:].any())
        after_two = len(written) < 2 or bool(is_time[-2])
        if after_time and after_two:
            scores[self.first :] = -np.inf
        elif after_time:
            scores[: self.ends] = -np.inf
        if is_time.any():
            last = int(written[is_time][-1])
            opens = after_time and not after_two
            scores[self.first : last if opens else last + 1] = -np.inf

    def cut(self, written: Sequence[int], frames: int, frames_a_step: int) -> tuple[list[int], int]:
        """Return the tokens that count, and how many frames of the sound they cover.

        Two times in a row end a part of the sound. What follows the last such pair was cut off by
        the end of the 30 seconds that the model hears at once: it is dropped, and heard again
        from there.
        """
        is_time = [token >= self.first for token in written]
        pairs = [at + 1 for at in range(len(written) - 1) if is_time[at] and is_time[at + 1]]
        if not pairs or is_time[-2:] == [False, True]:
            return list(written), frames
        end = pairs[-1] + 1
        return list(written[:end]), (written[end - 2] - self.first) * frames_a_step

    def chunks(
        self, written: Sequence[int], decode: Callable[[list[int]], str]
    ) -> Iterator[dict[str, Any]]:
        """Return ``{"text", "timestamp": [from, to]}`` of what stands between times.

        A chunk whose end was not heard has None there.
        """
        start: float | None = None
        words: list[int] = []
        clock = _Clock(self)
        for at, token in enumerate(written):
            if token < self.first:
                words.append(token)
                continue
            time = clock.read(written, at)
            if start is None:
                start = time
            elif time != start:
                yield {"text": decode(words), "timestamp": [start, time]}
                start, words = None, []
        if words:
            yield {"text": decode(words), "timestamp": [start, None]}


@dataclass(slots=True)
class _Clock:
    """Adds up times, which begin anew with each part that was heard at once."""

    tokens: TimeTokens
    before: float = 0.0
    latest: float = 0.0
    last_but_one: float = 0.0

    def read(self, written: Sequence[int], at: int) -> float:
        time = float((written[at] - self.tokens.first) * self.tokens.step_seconds)
        if time < self.latest:
            pair = at >= 2 and all(one >= self.tokens.first for one in written[at - 2 : at])
            if at >= 2 and not pair:
                self.before += self.tokens.step_seconds * STEPS_OF_CHUNK
            else:
                self.latest = self.last_but_one
                self.before += self.last_but_one
        self.last_but_one, self.latest = self.latest, time
        return round(time + self.before, 2)
