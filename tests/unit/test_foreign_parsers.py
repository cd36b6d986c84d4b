"""Every foreign parser takes what is good, and refuses whatever is wrong with anything else.

A hundred inputs each, in a process that may die; tests/soak throws ten thousand.
"""

from collections.abc import Iterator

import pytest

from tests.fakes.corpus import Feeder, feed_all
from tests.fakes.foreign_parsers import PARSERS

INPUTS = 100


@pytest.fixture(scope="module")
def feeder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feeder]:
    with Feeder(tmp_path_factory.mktemp("feeder")) as made:
        yield made


@pytest.mark.parametrize("name", PARSERS)
def test_good_inputs_are_taken(name: str) -> None:
    parser = PARSERS[name]
    for seed in parser.seeds():
        parser.feed(seed)


@pytest.mark.parametrize("name", PARSERS)
def test_bad_inputs_are_refused_in_words_of_ours(name: str, feeder: Feeder) -> None:
    figures = feed_all(name, INPUTS, feeder)
    assert figures.foreign == []
    assert figures.died == [] or PARSERS[name].apart
    assert figures.inputs == INPUTS
