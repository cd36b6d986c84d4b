"""Where a text ends, and what rules keep out of it."""

import numpy as np
import pytest

from tests.unit.tasks.generation.markov import markov, settings, write_after

NEXT = np.eye(6)[[1, 2, 3, 4, 5, 0]] * 3
"""Token i is followed by i + 1, and 5 by 0."""


def test_the_likeliest_token_is_taken() -> None:
    assert write_after(markov(NEXT), [[0]], settings(max_new_tokens=4))[0].ids == [1, 2, 3, 4]


def test_each_text_of_a_batch_ends_by_itself() -> None:
    asked = settings(max_new_tokens=5, eos_token_id=[3])
    assert asked.eos == (3,)
    texts = write_after(markov(NEXT), [[0], [2], [4]], asked)
    assert [text.ids for text in texts] == [[1, 2, 3], [3], [5, 0, 1, 2, 3]]
    reasons = [text.tokens[-1].finish for text in texts]
    assert reasons == ["eos_token", "eos_token", "eos_token"]


def test_a_text_that_is_cut_says_so() -> None:
    text = write_after(markov(NEXT), [[0]], settings(max_new_tokens=2))[0]
    assert [token.finish for token in text.tokens] == [None, "length"]


def test_an_end_is_put_off_until_the_least_length() -> None:
    asked = settings(max_new_tokens=5, min_new_tokens=3, eos_token_id=1)
    ids = write_after(markov(NEXT), [[0]], asked)[0].ids
    assert len(ids) >= 3
    assert 1 not in ids[:3]


def test_frequent_tokens_become_less_likely() -> None:
    stubborn = np.tile(np.array([2.0, 1.5, 0.0]), (3, 1))
    plain = write_after(markov(stubborn), [[2]], settings(max_new_tokens=4))[0].ids
    asked = settings(max_new_tokens=4, frequency_penalty=1.0)
    assert plain == [0, 0, 0, 0]
    assert write_after(markov(stubborn), [[2]], asked)[0].ids == [0, 1, 0, 1]


def test_ids_beyond_the_vocabulary_are_left_out_of_the_rules() -> None:
    asked = settings(max_new_tokens=2, suppress_tokens=[1, 999], bad_words_ids=[[999], [2, 999]])
    assert 1 not in write_after(markov(NEXT), [[0]], asked)[0].ids


@pytest.mark.parametrize("beams", [2, 6])
def test_beams_find_a_likelier_text_than_the_greedy_one(beams: int) -> None:
    # 1 is the likelier first token, but what follows 2 is certain.
    odds = np.log(
        np.array(
            [
                [0.0001, 0.55, 0.4499, 0.0001],
                [0.25, 0.25, 0.25, 0.25],
                [0.0001, 0.0001, 0.0001, 0.9997],
                [0.25, 0.25, 0.25, 0.25],
            ]
        )
    )
    greedy = write_after(markov(odds), [[0]], settings(max_new_tokens=2))[0].ids
    found = write_after(markov(odds), [[0]], settings(max_new_tokens=2, num_beams=beams))[0]
    assert greedy[0] == 1
    assert found.ids == [2, 3]
    logs = [token.logprob for token in found.tokens]
    assert logs == pytest.approx(np.log([0.4499, 0.9997]), abs=1e-3)


def test_the_least_of_new_tokens_goes_before_the_least_length() -> None:
    asked = settings(max_new_tokens=5, min_new_tokens=1, min_length=5, eos_token_id=2)
    assert write_after(markov(NEXT), [[0]], asked)[0].ids == [1, 2]
