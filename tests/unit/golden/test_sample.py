"""Inputs made up from a signature."""

import pytest

from serval.golden.sample import samples
from serval.signatures import Signature, TensorSpec

OPEN = -1


def shapes(*specs: TensorSpec) -> list[list[tuple[int, ...]]]:
    made = samples(Signature(specs, ()))
    return [[tensor.array.shape for tensor in inputs] for inputs in made]


def test_a_signature_that_leaves_only_rows_open_gives_one_sample() -> None:
    assert shapes(TensorSpec("x", "FP32", (OPEN, 4)), TensorSpec("t", "FP32", ())) == [[(1, 4), ()]]


@pytest.mark.parametrize(
    ("given", "tried"),
    [
        ((OPEN, OPEN, OPEN, OPEN), (1, 3, 224, 224)),
        ((OPEN, 1, OPEN, OPEN), (1, 1, 224, 224)),
        ((OPEN, OPEN, OPEN, 3), (1, 224, 224, 3)),
        ((2, 3, OPEN, OPEN), (2, 3, 224, 224)),
    ],
)
def test_an_image_is_tried_in_its_usual_shape(
    given: tuple[int, ...], tried: tuple[int, ...]
) -> None:
    assert [tried] in shapes(TensorSpec("pixel_values", "FP32", given))


def test_a_decoder_is_tried_with_empty_caches_and_masks_as_long_as_its_tokens() -> None:
    tried = shapes(
        TensorSpec("input_ids", "INT64", (OPEN, OPEN)),
        TensorSpec("attention_mask", "INT64", (OPEN, OPEN)),
        TensorSpec("past_key_values.0.key", "FP32", (OPEN, 8, OPEN, 64)),
    )
    assert [(1, 16), (1, 16), (1, 8, 0, 64)] in tried
