"""The journeys in docs/architecture.md name the files that a call passes, and no others."""

import re
from pathlib import Path

import pytest

from tests.house.journeys import JOURNEYS, ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()


def named(heading: str) -> list[str]:
    """Read the files of a journey's numbered list."""
    section = PAGE.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    steps = re.findall(r"^\d+\. .*(?:\n {3}.*)*", section, re.M)
    return re.findall(r"`(serval(?:_cli)?/[\w/]+\.py)`", "\n".join(steps))


@pytest.mark.parametrize("heading", JOURNEYS)
def test_a_journey_passes_the_files_that_the_page_names(heading: str, tmp_path: Path) -> None:
    passed, names = JOURNEYS[heading](tmp_path), named(heading)
    assert len(names) == len(set(names)), "a file is named twice"
    assert sorted(passed.keys() - set(names)) == [], "passed, but not named"
    assert sorted(set(names) - passed.keys()) == [], "named, but not passed"
