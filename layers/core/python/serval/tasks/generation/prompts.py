"""Texts as prompts: token ids, cut on the left if asked, and batches of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from serval.errors import InvalidInputs
from serval.models.tensor import Array
from serval.tasks.text.tokenizer import TextTokenizer

MOST_ROWS = 64
"""How many rows a decoder's batch has at most: each has a cache of its own."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """A batch of prompts of any lengths."""

    items: Sequence[int]
    """Which input of the request each row is."""
    ids: Array
    """INT64 [rows, n], padded on the left."""
    mask: Array
    """INT64 [rows, n], 0 where they are padded."""


def encode_prompts(
    tokenizer: TextTokenizer,
    texts: Sequence[str],
    begin: int | None,
    keep: int | None,
    *,
    special: bool = True,
) -> list[list[int]]:
    """Tokenise prompts.

    Parameters
    ----------
    begin
        The token that an empty prompt becomes.
    keep
        How many tokens are kept of a longer prompt: the last ones, behind the special tokens that
        it begins with. None: all.
    special
        Whether the tokenizer adds its special tokens, which a chat has already.

    Raises
    ------
    InvalidInputs
        If a prompt cannot be read, or is empty where no token can begin it.
    """
    found = tokenizer.encode_whole(texts, special=special)
    prompts = []
    for index, encoding in enumerate(found):
        ids = encoding.ids
        if keep is not None and len(ids) > keep:
            ids = _cut(ids, encoding.special_tokens_mask, keep)
        if not ids and begin is None:
            raise InvalidInputs(f"input {index}: a text expected, an empty one given")
        prompts.append(ids or [begin or 0])
    return prompts


def _cut(ids: list[int], special: list[int], keep: int) -> list[int]:
    lead = next((at for at, is_special in enumerate(special) if not is_special), 0)
    return ids[-keep:] if lead >= keep else ids[:lead] + ids[lead - keep :]


def make_batches(
    prompts: Sequence[Sequence[int]], pad: int, *, mixed: bool, rows_each: int = 1
) -> Iterator[Prompts]:
    """Put prompts into batches, in their order where they may be mixed.

    Parameters
    ----------
    mixed
        Whether a batch may have prompts of several lengths.
    rows_each
        How many rows of a batch each prompt becomes later, such as beams.
    """
    order = range(len(prompts))
    if mixed:
        groups = [list(order)]
    else:
        by_length = sorted(order, key=lambda index: len(prompts[index]))
        groups = [list(some) for _, some in groupby(by_length, lambda one: len(prompts[one]))]
    size = max(1, MOST_ROWS // rows_each)
    for group in groups:
        for start in range(0, len(group), size):
            yield _pad(prompts, group[start : start + size], pad)


def _pad(prompts: Sequence[Sequence[int]], items: Sequence[int], pad: int) -> Prompts:
    longest = max(len(prompts[item]) for item in items)
    ids = np.full((len(items), longest), pad, np.int64)
    mask = np.zeros_like(ids)
    for row, item in enumerate(items):
        ids[row, longest - len(prompts[item]) :] = prompts[item]
        mask[row, longest - len(prompts[item]) :] = 1
    return Prompts(items, ids, mask)
