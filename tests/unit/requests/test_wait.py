"""Waiting for a request's end."""

from itertools import pairwise

import pytest

from serval.requests.wait import Wait
from tests.fakes.requests import InMemoryRequests, async_request
from tests.fakes.submission import SteppingTime


def wait(seconds: float, ends_after: float = 1e9) -> tuple[SteppingTime, str]:
    """Wait for a request that ends after so many seconds; gives what was slept, and the status."""
    time, store = SteppingTime(), InMemoryRequests()
    store.create(async_request("r"))

    def end() -> None:
        if time.seconds >= ends_after:
            store.rows["r"] = async_request("r", status="succeeded")

    time.meanwhile = end
    found = Wait(store, time, time.sleep).wait(async_request("r"), seconds)
    return time, found.status


def test_it_looks_often_at_first_and_then_less_and_less_often() -> None:
    time, status = wait(25)
    assert status == "queued"
    assert time.naps[:20] == [0.02] * 20
    assert all(second >= first for first, second in pairwise(time.naps[:-1]))
    assert max(time.naps) == 0.5
    assert len(time.naps) < 130


def test_it_never_waits_longer_than_it_may() -> None:
    for seconds in (0.001, 0.03, 1.0, 20.0):
        assert wait(seconds)[0].seconds == pytest.approx(seconds)


def test_an_end_is_seen_within_a_twentieth_of_its_age() -> None:
    for ends_after in (0.0, 0.3, 1.0, 5.0, 9.0):
        time, status = wait(25, ends_after)
        assert status == "succeeded"
        assert time.seconds - ends_after <= max(0.02, ends_after * 0.05) + 1e-9


@pytest.mark.parametrize("seconds", [0, -3])
def test_without_time_it_does_not_look(seconds: float) -> None:
    assert wait(seconds)[0].naps == []


def test_what_has_ended_is_not_waited_for() -> None:
    time = SteppingTime()
    ended = async_request("r", status="failed")
    assert Wait(InMemoryRequests(), time, time.sleep).wait(ended, 20) is ended
    assert time.naps == []


def test_a_row_that_is_gone_stays_what_it_was() -> None:
    time = SteppingTime()
    waiting = Wait(InMemoryRequests(), time, time.sleep)
    assert waiting.wait(async_request("r"), 1) == async_request("r")


class OnePlace:
    """``WaitingPlaces`` for one."""

    def __init__(self) -> None:
        self.taken = False

    def take(self) -> str | None:
        if self.taken:
            return None
        self.taken = True
        return "the place"

    def give_back(self, place: str) -> None:
        assert place == "the place"
        self.taken = False


def test_who_finds_no_place_does_not_wait() -> None:
    time, places = SteppingTime(), OnePlace()
    waiting = Wait(InMemoryRequests(), time, time.sleep, places)
    request = async_request("r")
    meanwhile: list[bool] = []

    def another() -> None:
        if not meanwhile:
            meanwhile.append(True)
            before = len(time.naps)
            assert waiting.wait(request, 20) is request
            assert len(time.naps) == before

    time.meanwhile = another
    waiting.wait(request, 1)

    assert meanwhile
    assert not places.taken, "it is given back"


@pytest.mark.parametrize(("status", "seconds"), [("succeeded", 20), ("queued", 0)])
def test_who_need_not_wait_takes_no_place(status: str, seconds: float) -> None:
    places = OnePlace()
    places.taken = True
    request = async_request("r", status=status)
    assert Wait(InMemoryRequests(), places=places).wait(request, seconds) is request


def test_a_place_is_given_back_by_who_fails() -> None:
    places, time = OnePlace(), SteppingTime()

    def lost() -> None:
        raise ConnectionError

    time.meanwhile = lost
    with pytest.raises(ConnectionError):
        Wait(InMemoryRequests(), time, time.sleep, places).wait(async_request("r"), 1)
    assert not places.taken
