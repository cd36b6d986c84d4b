"""Inputs made up from a signature."""

from dataclasses import replace

import pytest

from serval.models.signature import Signature, TensorSpec
from serval.rollouts.golden.sample import make_samples, takes_batches

OPEN = -1


def shapes(*specs: TensorSpec) -> list[list[tuple[int, ...]]]:
    made = make_samples(Signature(specs, ()))
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


@pytest.mark.parametrize(
    ("spec", "names", "extents"),
    [
        (
            TensorSpec("attention_mask", "INT64", (OPEN, OPEN)),
            ("batch_size", "past_sequence_length + sequence_length"),
            (1, 16),
        ),
        (
            TensorSpec("attention_mask", "INT64", (OPEN, OPEN)),
            ("batch_size", "past_decoder_sequence_length + 1"),
            (1, 1),
        ),
        (
            TensorSpec("kv.0", "FP32", (OPEN, 8, OPEN, 64)),
            ("batch", None, "past_len", None),
            (1, 8, 0, 64),
        ),
        (
            TensorSpec("pixels", "FP32", (OPEN, OPEN, OPEN, OPEN)),
            ("batch", "height", "width", "num_channels"),
            (1, 224, 224, 3),
        ),
        (
            TensorSpec("input_features", "FP32", (OPEN, OPEN, OPEN)),
            ("batch_size", "feature_size", "nb_max_frames"),
            (1, 80, 3000),
        ),
        (
            TensorSpec("input_values", "FP32", (OPEN, OPEN)),
            ("batch_size", "sequence_length"),
            (1, 16_000),
        ),
        (TensorSpec("x", "FP32", (OPEN, OPEN)), ("s0", "s1"), (1, 16)),
        (TensorSpec("x", "FP32", (OPEN, OPEN)), (), (1, 16)),
    ],
)
def test_the_names_of_dimensions_say_what_to_try(
    spec: TensorSpec, names: tuple[str | None, ...], extents: tuple[int, ...]
) -> None:
    made = make_samples(Signature((spec,), ()), {spec.name: names})
    assert made[1][0].array.shape == extents


@pytest.mark.parametrize(
    ("name", "datatype", "element"),
    [
        ("attention_mask", "INT64", 1),
        ("pixel_mask", "BOOL", True),
        ("key_padding_mask", "BOOL", False),
        ("input_ids", "INT64", 0),
        ("input_lengths", "INT32", 16),
        ("sr", "INT64", 16_000),
        ("crop_size", "UINT8", 224),
        ("crop_size", "INT8", 127),
        ("mask", "BF16", 0),
        ("lengths", "BF16", 0),
    ],
)
def test_whole_numbers_are_what_the_name_of_their_input_says(
    name: str, datatype: str, element: int
) -> None:
    [[made]] = make_samples(Signature((TensorSpec(name, datatype, (OPEN, 2)),), ()))
    assert made.array.tolist() == [[element, element]]


def test_rows_that_interact_are_no_batch() -> None:
    apart = Signature((TensorSpec("x", "FP32", (OPEN, 2)),), ())
    assert takes_batches(apart)
    assert not takes_batches(replace(apart, rows_interact=True))
