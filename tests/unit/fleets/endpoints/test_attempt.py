"""Inferences: attempts that an endpoint makes."""

import json

import pytest

from serval.fleets.endpoints.attempt import (
    HANDOVER,
    LEASE,
    EndpointAttempt,
    begin_attempt,
    envelope,
    record_hand_over,
)
from serval.fleets.endpoints.ports import OutputKeys
from serval.requests import lifecycle
from serval.requests.ids import new_request_id, row_id
from tests.fakes.fleets import at, moment
from tests.fakes.requests import START, async_request


def test_an_id_names_the_request_and_the_attempt() -> None:
    assert EndpointAttempt("a.b", 12).id == "a.b.12"
    assert EndpointAttempt.parse("a.b.12") == EndpointAttempt("a.b", 12)


@pytest.mark.parametrize("text", ["", "r1", "r1.", ".1", "r1.x", "r1.1٣", "r1.-1"])
def test_what_is_no_id_of_ours_is_known(text: str) -> None:
    assert EndpointAttempt.parse(text) is None


def test_an_attempt_begins_with_a_short_lease_and_goes_on_with_a_long_one() -> None:
    row = begin_attempt(async_request("r1", output_key="old", failure_key="old"), "3", moment(0))

    assert (row.runner, row.attempt, row.attempts, row.version) == ("sagemaker:r1.1", 1, 1, "3")
    assert (row.output_key, row.failure_key) == (None, None)
    assert row.lease_until == at(HANDOVER.total_seconds())

    row = record_hand_over(row, OutputKeys("out", ""), moment(1))

    assert (row.output_key, row.failure_key) == ("out", None)
    assert row.lease_until == at(1 + LEASE.total_seconds())


def test_a_row_is_an_inference_s_while_it_runs_under_its_name() -> None:
    row = begin_attempt(async_request("r1"), "3", moment(0))
    inference = EndpointAttempt.of_row(row)

    assert inference.runs(row)
    assert not inference.runs(None)
    assert not inference.runs(lifecycle.give_back(row, moment(1)))
    assert not inference.runs(begin_attempt(lifecycle.give_back(row, moment(1)), "3", moment(2)))


def test_the_envelope_fits_what_sagemaker_hands_on() -> None:
    row = begin_attempt(
        async_request("r1", model="m" * 63, header_length=10**9), "9" * 10, moment(0)
    )

    said = envelope(row)

    assert json.loads(said) == {
        "m": "m" * 63,
        "v": "9" * 10,
        "h": 10**9,
        "a": f"models/{'m' * 63}/{'9' * 10}/",
    }
    assert said.isascii()
    assert len(said) <= 1024


def test_every_row_of_a_request_has_an_id_that_fits_an_inference_s() -> None:
    for request_id in (row_id("m" * 63, "a" * 64), new_request_id(START, "m")):
        assert len(EndpointAttempt(request_id, 10**9 - 1).id) <= 64
