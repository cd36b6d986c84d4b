"""Tokens are drawn as often as they are likely."""

from collections import Counter
from random import Random

import numpy as np
import pytest

from serval.models.tensor import Array
from serval.tasks.generation.sampling import (
    draw,
    keep_best,
    keep_nucleus,
    keep_typical,
    make_filters,
)
from serval.tasks.scores import softmax
from tests.unit.tasks.generation.markov import markov, settings, write_after

LOGITS = np.log(np.array([0.4, 0.3, 0.15, 0.1, 0.05], np.float32))
DRAWS = 20_000


def shares(scores: Array, seed: int = 3) -> Array:
    random = Random(seed)
    counts = Counter(draw(scores, random) for _ in range(DRAWS))
    return np.array([counts[token] / DRAWS for token in range(len(scores))])


def test_tokens_are_drawn_by_their_probabilities() -> None:
    assert np.abs(shares(LOGITS) - softmax(LOGITS)).max() < 0.01


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"top_k": 2}, [4 / 7, 3 / 7, 0, 0, 0]),
        ({"top_p": 0.8}, [0.4 / 0.85, 0.3 / 0.85, 0.15 / 0.85, 0, 0]),
        ({"top_p": 0.1}, [1, 0, 0, 0, 0]),
        ({"temperature": 0.5}, np.array([16, 9, 2.25, 1, 0.25]) / 28.5),
        ({"min_p": 0.3}, [0.4 / 0.85, 0.3 / 0.85, 0.15 / 0.85, 0, 0]),
        ({"epsilon_cutoff": 0.12}, [0.4 / 0.85, 0.3 / 0.85, 0.15 / 0.85, 0, 0]),
    ],
)
def test_filters_leave_the_probabilities_of_the_rest(asked: object, expected: object) -> None:
    assert isinstance(asked, dict)
    scores = LOGITS[None]
    for keep in make_filters(settings(do_sample=True, **asked)):
        scores = keep(scores)
    assert softmax(scores)[0] == pytest.approx(np.asarray(expected), abs=1e-6)
    assert np.abs(shares(scores[0]) - np.asarray(expected)).max() < 0.01


def test_a_token_that_was_filtered_out_is_never_drawn() -> None:
    only_first = keep_best(LOGITS[None], 1)[0]
    assert {draw(only_first, Random(seed)) for seed in range(200)} == {0}


def test_as_good_as_the_last_of_the_best_is_kept() -> None:
    kept = keep_best(np.array([[1.0, 2.0, 1.0, 0.0]], np.float32), 2)
    assert np.isfinite(kept[0]).tolist() == [True, True, True, False]


def test_the_nucleus_has_at_least_one_token_in_every_row() -> None:
    kept = keep_nucleus(np.array([[0.0, 0.0], [5.0, 1.0]], np.float32), 0.01)
    assert np.isfinite(kept).sum(axis=1).tolist() == [1, 1]


def test_typical_tokens_are_those_of_an_expected_surprise() -> None:
    # The likeliest token surprises far less than the entropy of 1.4 nats says.
    scores = np.log(np.array([[0.5, 0.2, 0.1, 0.1, 0.1]], np.float32))
    assert np.isfinite(keep_typical(scores, 0.15)[0]).tolist() == [False, True] + [False] * 3


def test_a_seed_repeats_its_text_and_another_does_not() -> None:
    decoder = markov(np.zeros((8, 8)))
    first, again, other = (
        write_after(decoder, [[1]], settings(seed=seed, do_sample=True, max_new_tokens=12))[0].ids
        for seed in (5, 5, 6)
    )
    assert first == again != other


def test_a_text_is_drawn_the_same_whatever_else_is_in_the_batch() -> None:
    decoder = markov(np.zeros((8, 8)))
    asked = settings(seed=5, do_sample=True, max_new_tokens=12)
    alone = write_after(decoder, [[1]], asked)[0].ids
    batch = write_after(decoder, [[4], [1], [2]], asked)
    assert batch[1].ids == alone
