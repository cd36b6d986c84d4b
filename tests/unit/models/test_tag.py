"""Ids have their model's tag at one place, where policies look for it."""

from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest

from serval.batch.job.job import EARLIER_LENGTH, claimed_job_id, new_job_id
from serval.batch.start.start import keyed_job_id
from serval.clock import utc_now
from serval.models.version import id_pattern, remove_tag
from serval.requests.access import Caller
from serval.requests.ids import (
    EARLIER_LENGTHS,
    RANDOM_ID,
    new_request_id,
    row_id,
)
from tests.fakes.requests import START

REQUESTS: list[Callable[[str], str]] = [
    lambda model: new_request_id(START, model),
    lambda model: row_id(model, "order-1"),
]
JOBS: list[Callable[[str], str]] = [
    lambda model: new_job_id(START, model),
    lambda model: claimed_job_id(model, "2026-11-21T10:15:00.000Z", "bucket", "key"),
    lambda model: keyed_job_id(Caller(), "order-1", model),
]


@pytest.mark.parametrize("make", REQUESTS + JOBS)
def test_an_id_is_in_the_pattern_of_its_model_and_in_no_other_s(make: Callable[[str], str]) -> None:
    assert fnmatchcase(make("seen"), id_pattern("seen"))
    assert not fnmatchcase(make("told"), id_pattern("seen"))


@pytest.mark.parametrize("make", REQUESTS + JOBS)
def test_an_id_without_its_tag_is_what_an_earlier_serval_made(make: Callable[[str], str]) -> None:
    earlier = EARLIER_LENGTHS if make in REQUESTS else (EARLIER_LENGTH,)
    assert len(remove_tag(make("seen"))) in earlier
    assert len(make("seen")) not in earlier


def test_random_ids_are_known_as_such_with_and_without_a_tag() -> None:
    made = new_request_id(utc_now(), "seen")
    assert RANDOM_ID.fullmatch(made)
    assert RANDOM_ID.fullmatch(remove_tag(made))
    assert not RANDOM_ID.fullmatch(made[:-1])
