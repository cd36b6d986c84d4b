"""Changing a row that others change meanwhile."""

from dataclasses import replace

import pytest

from serval.errors import RegistryUnavailable
from serval.requests.ports import CHANGE_ATTEMPTS, change
from serval.requests.request import AsyncRequest
from tests.fakes.requests import InMemoryRequests, async_request


def marked(row: AsyncRequest) -> AsyncRequest:
    return replace(row, error="mark")


def test_a_change_is_saved_with_the_next_revision() -> None:
    store = InMemoryRequests()
    store.create(async_request("r"))
    after = change(store, async_request("r"), marked)
    assert after == store.rows["r"] == async_request("r", error="mark", revision=1)


def test_a_change_is_computed_anew_from_what_another_writer_left() -> None:
    store = InMemoryRequests()
    store.create(async_request("r"))
    store.rival = async_request("r", status="running", revision=1)
    assert change(store, async_request("r"), marked) == async_request(
        "r", status="running", error="mark", revision=2
    )


def test_a_row_that_is_to_stay_as_it_is_is_not_written() -> None:
    store = InMemoryRequests()
    store.create(async_request("r"))
    assert change(store, async_request("r"), lambda row: None) is None
    assert change(store, async_request("r"), lambda row: row) == async_request("r")
    assert store.rows["r"].revision == 0


def test_a_row_that_is_gone_is_none() -> None:
    assert change(InMemoryRequests(), async_request("r"), marked) is None


def test_a_row_that_others_never_leave_alone_is_given_up() -> None:
    class Contended(InMemoryRequests):
        tries = 0

        def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
            self.tries += 1
            return False

    store = Contended()
    store.create(async_request("r"))
    with pytest.raises(RegistryUnavailable, match="request 'r': 20 changes met another writer"):
        change(store, async_request("r"), marked)
    assert store.tries == CHANGE_ATTEMPTS
