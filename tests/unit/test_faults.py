"""Faults: every error is somebody's, and no caller's mistake looks like a failure."""

import pytest

from serval.errors import ArtifactUnavailable, ServalError
from serval.faults import FAULT, fault_of
from serval.http.status import STATUS


def leaves(error: type[ServalError]) -> set[type[ServalError]]:
    below = error.__subclasses__()
    return {leaf for child in below for leaf in leaves(child)} if below else {error}


def test_every_error_is_somebodys() -> None:
    assert set(FAULT) == leaves(ServalError)


@pytest.mark.parametrize("error", FAULT, ids=lambda error: error.__name__)
def test_a_callers_mistake_has_a_status_that_rings_no_alarm_and_no_other_has(
    error: type[ServalError],
) -> None:
    assert (400 <= STATUS[error] < 500) == (FAULT[error] == "caller")


def test_a_store_that_does_not_answer_is_not_the_versions_fault() -> None:
    assert fault_of(ArtifactUnavailable("m", "1", "timed out")) == "stage"
    assert fault_of(ArtifactUnavailable("m", "1", "gone", lost=True)) == "version"
