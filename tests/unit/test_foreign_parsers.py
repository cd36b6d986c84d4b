"""Every foreign parser takes what is good, and refuses whatever is wrong with anything else.

A few hundred inputs each, in a process that may die; tests/soak throws ten thousand.
"""

from pathlib import Path

import pytest

from tests.fakes.corpus import feed_all
from tests.fakes.foreign_parsers import PARSERS

INPUTS = 300


@pytest.mark.parametrize("name", PARSERS)
def test_good_inputs_are_taken(name: str) -> None:
    parser = PARSERS[name]
    for seed in parser.seeds():
        parser.feed(seed)


@pytest.mark.parametrize("name", PARSERS)
def test_bad_inputs_are_refused_in_words_of_ours(name: str, tmp_path: Path) -> None:
    figures = feed_all(name, INPUTS, tmp_path)
    assert figures.foreign == []
    assert figures.died == [] or PARSERS[name].apart
    assert figures.inputs == INPUTS
