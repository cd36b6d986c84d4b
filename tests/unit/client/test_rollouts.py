"""serval/client: how a rollout stands, by both clients."""

from typing import Any

import httpx
import pytest

from serval.client import Forbidden, Missing, ModelRollout, NotEnded
from tests.fakes.client_server import ClientServer
from tests.fakes.describe import STANDING
from tests.unit.client.test_calls import Kind, both, replies

ENDED = {"step": "ended", "finished": "2026-11-21T11:00:00.000Z"}


def rollout(headers: dict[str, str] | None = None, **more: object) -> httpx.Response:
    return httpx.Response(200, json=STANDING | more, headers=headers)


@both
def test_a_rollout_is_looked_at_once(kind: Kind) -> None:
    server = kind(replies(rollout(a_member_of_later="versions")))
    assert server.client.rollout("my model") == ModelRollout(**STANDING)
    assert server.seen == ["GET /stage/v2/models/my%20model/rollout"]


@both
def test_every_change_of_a_rollout_is_told_until_it_has_ended(kind: Kind) -> None:
    promoted = rollout(**ENDED, status="promoted", percent=100, stable="2", reason="no harm")
    looks = [rollout(), rollout(), rollout({"retry-after": "7"}, percent=50), promoted]
    server, changes = kind(replies(*looks)), []
    ended = server.client.wait_rollout("iris", on_change=changes.append)
    assert (ended.status, ended.stable, ended.reason) == ("promoted", "2", "no harm")
    assert [(one.step, one.percent) for one in changes] == [
        ("canary", 10),
        ("canary", 50),
        ("ended", 100),
    ]
    assert server.pauses == [5, 5, 7]


@both
@pytest.mark.parametrize("status", ["rolled back", "refused", "superseded"])
def test_a_rollout_that_did_not_go_through_is_an_answer_too(kind: Kind, status: str) -> None:
    server = kind(replies(rollout(**ENDED, status=status, percent=0)))
    assert server.client.wait_rollout("iris", timeout_seconds=0).status == status
    assert server.pauses == []


@both
@pytest.mark.parametrize(
    ("more", "at"), [({}, "canary at 10 %"), ({"step": "verifying", "percent": 0}, "verifying")]
)
def test_waiting_for_a_rollout_ends_with_the_time_that_was_given(
    kind: Kind, more: dict[str, Any], at: str
) -> None:
    server = kind(lambda _: rollout(**more))
    with pytest.raises(NotEnded, match=f"^the rollout of iris goes on: {at}$"):
        server.client.wait_rollout("iris", timeout_seconds=8)
    assert server.pauses == [5, 3]


@both
def test_an_outage_of_a_minute_does_not_end_the_waiting(kind: Kind) -> None:
    down = [httpx.ConnectError("refused") for _ in range(8)]
    server = kind(replies(*down, rollout(**ENDED, status="promoted")))
    assert server.client.wait_rollout("iris").status == "promoted"


def test_a_model_that_is_not_there_or_not_the_keys_is_no_rollout() -> None:
    for status, expected in ((404, Missing), (403, Forbidden)):
        server = ClientServer(replies(httpx.Response(status, json={"error": "no"})))
        with pytest.raises(expected):
            server.client.wait_rollout("iris")
