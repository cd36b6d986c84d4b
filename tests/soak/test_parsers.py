"""Ten thousand mutated inputs for every foreign parser; `make soak` prints what became of them."""

from pathlib import Path

import pytest

from tests.fakes.corpus import Feeder, feed_all
from tests.fakes.foreign_parsers import PARSERS

INPUTS = 10_000
MOST_GROWTH_MIB = 256
SLOWEST_SECONDS = 20.0
"""Of one input: generous, since the machine may do other things."""


@pytest.mark.parametrize("name", PARSERS)
def test_no_input_is_met_with_an_exception_that_is_not_ours(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Feeder(tmp_path) as feeder:
        figures = feed_all(name, INPUTS, feeder)
    with capsys.disabled():
        print(
            f"\n{name}: {figures.inputs} inputs, {figures.refused} refused, "
            f"{figures.accepted} accepted, {len(figures.foreign)} not ours, "
            f"{len(figures.died)} processes died, memory grew by {figures.growth_mib:.0f} MiB, "
            f"{figures.seconds:.0f} s, slowest {figures.slowest_seconds} s"
        )
    assert figures.foreign == []
    assert figures.died == [] or PARSERS[name].apart
    assert figures.growth_mib <= MOST_GROWTH_MIB
    assert figures.slowest_seconds <= SLOWEST_SECONDS
