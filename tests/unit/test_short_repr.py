"""Values in messages: the callers' words, and short."""

import pytest

from serval.short_repr import LIMIT_CHARACTERS, short_repr


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        ([True, None, [False]], "[true, null, [false]]"),
        ({"a": None, "b": {"c": True}}, "{'a': null, 'b': {'c': true}}"),
        ("None", "'None'"),
        (["True"], "['True']"),
        (1.5, "1.5"),
        ([...], "[...]"),
    ],
)
def test_a_value_is_written_with_the_words_of_json(value: object, written: str) -> None:
    assert short_repr(value) == written


@pytest.mark.parametrize("value", ["x" * 1000, 10**1000, [[0] * 99] * 99, {"x" * 90: None}])
def test_a_value_is_cut(value: object) -> None:
    assert len(short_repr(value)) <= LIMIT_CHARACTERS
