"""Tensors drawn for a comparison, where nobody gives a sample."""

from collections.abc import Sequence

import numpy as np

from serval.models.signature import Signature
from serval.models.tensor import Array, Tensor
from serval.rollouts.golden.sample import Symbols, make_samples, repeat_rows, takes_batches

SEED = 7
ROWS = 3
IDS = 10
"""Whole numbers are below it: most vocabularies have as many words."""


def draw_requests(signature: Signature, symbols: Symbols) -> list[Sequence[Tensor]]:
    """Draw a request in each shape that inputs may have, of several rows where these may vary."""
    draws = np.random.default_rng(SEED)
    made = make_samples(signature, symbols)
    shaped = [repeat_rows(one, ROWS) for one in made] if takes_batches(signature) else made
    return [
        [Tensor(one.name, one.datatype, _draw(one, draws)) for one in request] for request in shaped
    ]


def _draw(tensor: Tensor, draws: np.random.Generator) -> Array:
    array = tensor.array
    if tensor.datatype.startswith("FP"):
        return np.asarray(draws.standard_normal(array.shape)).round(3).astype(array.dtype)
    # Where the name tells what an input means, its numbers stay.
    if array.dtype.kind in "iu" and not array.any():
        return np.asarray(draws.integers(0, IDS, array.shape)).astype(array.dtype)
    return array
