"""Async requests as attributes of their rows."""

from datetime import timedelta

from serval.requests import lifecycle
from serval.requests.request import AsyncRequest
from serval.requests.table import (
    BY_MODEL_HAS,
    BY_MODEL_KEYS,
    BY_STATE_HAS,
    BY_STATE_KEYS,
    ID,
    from_attributes,
    read_open_request,
    to_attributes,
)
from tests.fakes.requests import START, async_request

LEASE = timedelta(seconds=60)


def test_a_row_holds_what_differs_from_the_defaults() -> None:
    assert to_attributes(async_request("r1", payload=None, payload_bytes=0)) == {
        "id": "r1",
        "model": "textgen",
        "fleet": "gpu",
        "status": "queued",
        "created": "2026-11-21T10:15:00.000Z",
        "updated": "2026-11-21T10:15:00.000Z",
        "revision": 0,
        "body_hash": "0" * 64,
        "state": f"queued#{async_request('r1').shard}",
    }


def test_a_zero_that_is_no_default_is_kept() -> None:
    request = async_request("r1", keep_days=0, header_length=0, payload=b"")

    assert from_attributes(to_attributes(request)) == request


def test_only_open_requests_are_in_the_index_of_open_requests() -> None:
    request = async_request("r1")
    running = lifecycle.begin(request, "worker-1", START, LEASE)
    ends = [
        lifecycle.succeed(running, "3", "k", 1, None, START),
        lifecycle.fail(running, "out of memory", START),
        lifecycle.close_cancelled(running, START),
    ]

    assert to_attributes(running)["state"] == f"running#{request.shard}"
    assert not any("state" in to_attributes(end) for end in ends)
    assert all(
        to_attributes(end)["expires"] == int((START + timedelta(days=7)).timestamp())
        for end in ends
    )
    assert "expires" not in to_attributes(running)


def test_the_indexes_hold_what_is_read_from_them() -> None:
    running = lifecycle.begin(async_request("r1"), "worker-1", START, LEASE)
    row = to_attributes(running)

    by_state = {name: row[name] for name in (ID, *BY_STATE_KEYS, *BY_STATE_HAS)}
    found = read_open_request(by_state)
    assert all(getattr(found, name) == getattr(running, name) for name in found.__slots__)

    by_model = {name: row[name] for name in (ID, *BY_MODEL_KEYS, *BY_MODEL_HAS) if name in row}
    listed = from_attributes(by_model)
    assert isinstance(listed, AsyncRequest)
    assert (listed.id, listed.status, listed.attempts) == ("r1", "running", 1)
    assert listed.payload is None
