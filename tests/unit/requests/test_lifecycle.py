"""What may become of an async request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from serval.clock import timestamp
from serval.errors import RequestConflict
from serval.requests import lifecycle
from serval.requests.request import AsyncRequest
from tests.fakes.requests import START, async_request

LEASE = timedelta(seconds=60)
LATER = START + timedelta(seconds=30)
AFTER_THE_LEASE = START + timedelta(seconds=61)
QUEUED = async_request("r", max_attempts=2)
RUNNING = lifecycle.begin(QUEUED, "w1", START, LEASE)
SUCCEEDED = lifecycle.succeed(RUNNING, "3", "key", 10, None, LATER)
FAILED = lifecycle.fail(RUNNING, "no reason", LATER)
CANCELLED = lifecycle.close_cancelled(QUEUED, LATER)
STATES = [QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED]


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (QUEUED, "run"),
        (replace(QUEUED, attempts=1), "run"),
        (replace(QUEUED, attempts=2), "exhausted"),
        (replace(QUEUED, cancel_requested=True), "cancelled"),
        (replace(QUEUED, cancel_requested=True, attempts=2), "cancelled"),
        (RUNNING, "later"),
        (replace(RUNNING, cancel_requested=True), "later"),
        (SUCCEEDED, "drop"),
        (FAILED, "drop"),
        (CANCELLED, "drop"),
    ],
)
def test_a_message_is_good_for_what_its_row_says(row: AsyncRequest, verdict: str) -> None:
    assert lifecycle.action_for(row, LATER) == verdict


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (RUNNING, "run"),
        (replace(RUNNING, attempts=2), "exhausted"),
        (replace(RUNNING, cancel_requested=True), "cancelled"),
    ],
)
def test_a_runner_that_fell_silent_has_lost_its_request(row: AsyncRequest, verdict: str) -> None:
    assert lifecycle.action_for(row, AFTER_THE_LEASE) == verdict


def test_an_attempt_counts_from_its_beginning_and_names_its_result() -> None:
    assert (RUNNING.status, RUNNING.attempt, RUNNING.attempts, RUNNING.runner) == (
        "running",
        1,
        1,
        "w1",
    )
    assert RUNNING.lease_until == timestamp(START + LEASE)
    assert not RUNNING.alone


def test_after_a_crash_a_request_runs_alone() -> None:
    again = lifecycle.begin(RUNNING, "w2", AFTER_THE_LEASE, LEASE)
    assert (again.attempt, again.attempts, again.alone, again.runner) == (2, 2, True, "w2")


def test_a_heartbeat_moves_the_lease() -> None:
    extended = lifecycle.extend(RUNNING, LATER, LEASE)
    assert extended.lease_until == timestamp(LATER + LEASE)
    assert lifecycle.action_for(extended, AFTER_THE_LEASE) == "later"


def test_twenty_reclaims_charge_nobody() -> None:
    row = QUEUED
    for _ in range(20):
        row = lifecycle.give_back(lifecycle.begin(row, "w", START, LEASE), LATER)
    assert (row.status, row.attempts, row.attempt, row.alone) == ("queued", 0, 20, False)
    assert (row.runner, row.lease_until, row.error) == (None, None, None)


def test_a_failed_attempt_is_charged_and_has_its_reason() -> None:
    row = lifecycle.try_again(RUNNING, "out of memory", LATER)
    assert (row.status, row.attempts, row.alone, row.error) == ("queued", 1, True, "out of memory")
    second = lifecycle.begin(row, "w", LATER, LEASE)
    done = lifecycle.succeed(second, "3", "key", 10, None, LATER)
    assert (done.status, done.error) == ("succeeded", None)


def test_a_result_stands_with_where_it_lies() -> None:
    assert (SUCCEEDED.version, SUCCEEDED.response_key, SUCCEEDED.response_bytes) == ("3", "key", 10)
    assert SUCCEEDED.finished == timestamp(LATER)
    assert SUCCEEDED.lease_until is None


def test_a_failure_says_whether_trying_again_would_help() -> None:
    assert not FAILED.refused
    assert lifecycle.fail(RUNNING, "tensor 'x'", LATER, refused=True).refused


@pytest.mark.parametrize(
    "end",
    [
        lambda row: lifecycle.succeed(row, "3", "key", 10, None, LATER),
        lambda row: lifecycle.fail(row, "no reason", LATER, refused=True),
    ],
)
def test_a_request_that_was_cancelled_while_it_ran_has_no_result(
    end: Callable[[AsyncRequest], AsyncRequest],
) -> None:
    asked = lifecycle.cancel(RUNNING, LATER)
    assert (asked.status, asked.cancel_requested) == ("running", True)
    row = end(asked)
    assert (row.status, row.response_key, row.error, row.refused) == (
        "cancelled",
        None,
        None,
        False,
    )


def test_what_is_queued_is_cancelled_at_once() -> None:
    row = lifecycle.cancel(QUEUED, LATER)
    assert (row.status, row.finished) == ("cancelled", timestamp(LATER))
    assert lifecycle.cancel(row, AFTER_THE_LEASE) == row


@pytest.mark.parametrize("row", [SUCCEEDED, FAILED])
def test_what_has_ended_is_not_cancelled(row: AsyncRequest) -> None:
    with pytest.raises(RequestConflict, match=f"it has {row.status}, so there is nothing"):
        lifecycle.cancel(row, LATER)


@pytest.mark.parametrize("row", [FAILED, CANCELLED])
def test_a_retry_begins_anew(row: AsyncRequest) -> None:
    ended = replace(
        row, refused=True, alone=True, callback_url="https://a.example/", callback_error="500"
    )
    again = lifecycle.retry(ended, AFTER_THE_LEASE)
    assert again == replace(
        QUEUED,
        attempt=row.attempt,
        started=row.started,
        updated=timestamp(AFTER_THE_LEASE),
        callback_url="https://a.example/",
    )


@pytest.mark.parametrize("row", [RUNNING, SUCCEEDED])
def test_what_runs_or_has_succeeded_is_not_retried(row: AsyncRequest) -> None:
    with pytest.raises(RequestConflict, match="only failed or cancelled ones are retried"):
        lifecycle.retry(row, LATER)


def test_what_is_queued_stays_as_it_is_when_retried() -> None:
    assert lifecycle.retry(QUEUED, LATER) is QUEUED


@pytest.mark.parametrize("row", STATES)
def test_a_callback_is_due_once_a_request_has_ended_and_nobody_has_tried(
    row: AsyncRequest,
) -> None:
    assert not row.callback_due
    wanted = replace(row, callback_url="https://a.example/")
    assert wanted.callback_due == (not row.open)
    assert not replace(wanted, callback_sent="2026").callback_due
    assert not replace(wanted, callback_error="it answered 500").callback_due


def test_what_its_caller_wants_no_more_is_not_put_back() -> None:
    running = lifecycle.begin(async_request(), "w1", START, timedelta(seconds=60))
    unwanted = lifecycle.cancel(running, START)
    assert lifecycle.give_back(unwanted, START).status == "cancelled"
    assert lifecycle.try_again(unwanted, "no memory", START).status == "cancelled"
