"""A few of the files of ``make soak``: whatever they hold, their jobs are right, or say why not."""

import pytest

from tests.odd_files.__main__ import FORMATS
from tests.odd_files.judging import OddFigures, run

pytestmark = pytest.mark.slow

FILES = 16


@pytest.mark.parametrize("kind", FORMATS)
def test_jobs_over_odd_files_are_right_reject_records_or_are_refused(kind: str) -> None:
    figures = OddFigures()
    run(FORMATS[kind], kind, range(FILES), figures)
    assert figures.failures == []
    assert figures.right + figures.partly > FILES / 5
