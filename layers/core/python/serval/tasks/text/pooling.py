"""From the embeddings of tokens to one of the text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.files import TaskUnreadable

MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""In the order in which several are put one behind another.

``cls`` and ``lasttoken`` take the first and the last token, ``mean_sqrt_len_tokens`` divides the
sum by the root of its length, and ``weightedmean`` weighs a token by its position, from 1.
"""
LEGACY = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}
"""Older files have ``pooling_mode_…: true`` for each."""
ALIASES = {"last_token": "lasttoken", "last-token": "lasttoken", "cls_token": "cls"}


@dataclass(frozen=True, slots=True)
class Pooling:
    """How the tokens of a text are pooled."""

    modes: Sequence[str]
    with_prompt: bool = True
    """Whether the tokens of a prompt are among them."""

    @classmethod
    def from_config(cls, where: str, config: Mapping[str, Any]) -> "Pooling":
        """Read the config of sentence-transformers' module.

        Raises
        ------
        TaskUnreadable
            If it names no mode, or one that there is not.
        """
        named = config.get("pooling_mode")
        modes = [named] if isinstance(named, str) else list(named or ())
        if not modes:
            modes = [mode for key, mode in LEGACY.items() if config.get(f"pooling_mode_{key}")]
        modes = [ALIASES.get(mode, mode) for mode in modes]
        if not modes or not set(modes) <= set(MODES):
            raise TaskUnreadable(
                f"{where}: pooling mode {short_repr(named or modes)} is none of {', '.join(MODES)}"
            )
        return cls(modes, config.get("include_prompt") is not False)

    def pool(self, tokens: Array, prompt: int = 0) -> Array:
        """Return [modes * size] for the embeddings of a text's tokens, [tokens, size].

        ``prompt`` is how many tokens of it are the prompt's.
        """
        skipped = 0 if self.with_prompt else min(prompt, len(tokens) - 1)
        kept = tokens[skipped:]
        positions = np.arange(skipped + 1, len(tokens) + 1, dtype=np.float32)
        return np.concatenate([_pooled_by(mode, kept, positions) for mode in self.modes])


def _pooled_by(mode: str, tokens: Array, positions: Array) -> Array:
    if mode == "weightedmean":
        mean: Array = np.average(tokens, axis=0, weights=positions)
        return mean
    ways = {
        "cls": lambda: tokens[0],
        "lasttoken": lambda: tokens[-1],
        "max": lambda: tokens.max(axis=0),
        "mean": lambda: tokens.mean(axis=0),
        "mean_sqrt_len_tokens": lambda: tokens.sum(axis=0) / np.sqrt(len(tokens)),
    }
    result: Array = ways[mode]()
    return result
