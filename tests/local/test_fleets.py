"""Heavy models over HTTP, on fleets of this machine: everything a caller can ask for."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from serval.access.api_key import hash_api_key
from serval.aws.dynamodb.api_keys import ApiKeyStore
from tests.fakes.receivers import Receiver
from tests.local.fleet_caller import FINAL, Caller, answered, asked, until


@pytest.fixture(autouse=True)
def awake(caller: Caller) -> None:
    caller.ready("pair", workers=2)


def test_a_request_is_accepted_at_once_and_has_its_result_soon_after(caller: Caller) -> None:
    reply = caller.submit("light", asked(1, 2))
    assert reply.status_code == 202
    assert reply.headers["retry-after"] == "1"
    document = reply.json()
    assert document["status"] == "queued"
    assert document["model"] == "light"
    assert reply.headers["location"].endswith(f"/async/requests/{document['id']}")
    ended = caller.ended(document["id"])
    assert answered(ended) == [3, 5]
    assert ended["version"] == "1"
    assert ended["attempts"] == 1
    assert ended["created"] <= ended["started"] <= ended["finished"]


def test_the_location_of_a_request_answers(caller: Caller) -> None:
    reply = caller.submit("light", asked(1, 2))
    found = caller.client.get(reply.url.join(reply.headers["location"]))
    assert found.status_code == 200
    assert found.json()["model"] == "light"


def test_who_prefers_to_wait_gets_the_result_itself(caller: Caller) -> None:
    reply = caller.submit("third", asked(1, 2), prefer="wait=20")
    assert reply.status_code == 200
    assert reply.headers["preference-applied"] == "wait=20"
    assert answered(reply.json()) == [4, 3]


def test_the_protocols_own_path_waits_for_the_fleet(caller: Caller) -> None:
    reply = caller.client.post("/v2/models/heavier/infer", json=asked(1, 2))
    assert reply.status_code == 200, reply.text
    assert reply.headers["serval-model-version"] == "1"
    assert reply.json()["outputs"][0]["data"] == [3, 6]


def test_what_a_model_cannot_take_is_refused_at_the_door(caller: Caller) -> None:
    wrong = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [1, 2]}]}
    for reply in (
        caller.submit("light", wrong),
        caller.client.post("/v2/models/light/infer", json=wrong),
    ):
        assert reply.status_code == 400
        assert "FP64" in reply.json()["error"]


def test_a_model_runs_on_its_fleet_however_its_name_is_spelled(caller: Caller) -> None:
    """A gateway may tell ``%68`` from ``h``; then Lambda refuses the model, as its tests hold."""
    reply = caller.client.post("/v2/models/%68eavier/infer", json=asked(1, 2))
    assert reply.status_code == 404 or "queue;dur=" in reply.headers["server-timing"], reply.text


def test_bytes_that_the_gateway_takes_for_text_are_refused_as_damaged(caller: Caller) -> None:
    headers = {"content-type": "application/json", "inference-header-content-length": "0"}
    for path in ("/v2/models/light/infer", "/async/models/light/infer"):
        reply = caller.client.post(path, content=b"\xe9\xff\x80AB\0\0\0", headers=headers)
        assert reply.status_code == 400, reply.text
        assert "damaged on the way" in reply.json()["error"]


def test_a_put_fifty_times_at_once_runs_once(caller: Caller) -> None:
    with ThreadPoolExecutor(16) as pool:
        replies = list(
            pool.map(lambda _: caller.put("fifty-times", "heavier", asked(7, 0)), range(50))
        )
    assert {reply.status_code for reply in replies} <= {200, 202}
    assert {reply.json()["id"] for reply in replies} == {"fifty-times"}
    assert answered(caller.ended("fifty-times")) == [21, 0]
    until(
        "an empty queue",
        lambda: (counts := caller.queues.counts("heavier")).visible + counts.in_flight == 0,
    )
    row = caller.row("fifty-times")
    assert (row.attempt, row.attempts) == (1, 1)
    assert caller.put("fifty-times", "heavier", asked(7, 0)).json()["status"] == "succeeded"


def test_another_body_under_the_same_id_is_a_conflict(caller: Caller) -> None:
    assert caller.put("taken", "light", asked(1, 2)).status_code == 202
    conflict = caller.put("taken", "light", asked(2, 1))
    assert conflict.status_code == 409
    assert "taken" in conflict.json()["error"]
    assert answered(caller.ended("taken")) == [3, 5]


@pytest.fixture
def narrow(caller: Caller) -> Iterator[httpx.Client]:
    """Call with a key for model ``third`` alone."""
    made = caller.stage.serval("keys", "create", "narrow", "--model", "third", "--json")
    headers = {"x-api-key": json.loads(made)["key"]}
    with httpx.Client(base_url=caller.stage.api_url, headers=headers, timeout=300) as client:
        yield client


def test_an_id_that_another_model_s_key_has_put_is_free(
    caller: Caller, narrow: httpx.Client
) -> None:
    first = narrow.put("/async/requests/order-1", json={"model": "third", "request": asked(1, 2)})
    assert first.status_code == 202, first.text
    second = caller.put("order-1", "light", asked(1, 2))
    assert second.status_code == 202, second.text
    for client, reply, expected in ((narrow, first, [4, 3]), (caller.client, second, [3, 5])):
        at = reply.url.join(reply.headers["location"])
        document = until(
            "its end",
            lambda client=client, at=at: (
                found if (found := client.get(at).json())["status"] in FINAL else None
            ),
        )
        assert (document["id"], answered(document)) == ("order-1", expected)
    assert narrow.get("/async/requests/order-1").json()["model"] == "third"
    both = caller.client.get("/async/requests/order-1")
    assert (both.status_code, "?model=" in both.json()["error"]) == (409, True)


def test_what_one_key_has_uploaded_another_cannot_submit(
    caller: Caller, narrow: httpx.Client
) -> None:
    body = json.dumps(asked(1, 2)).encode()
    size = {"size_bytes": len(body)}
    begun = caller.client.post("/async/models/third/uploads", json=size).json()
    httpx.put(begun["upload_url"], content=body, trust_env=False).raise_for_status()
    put = {"model": "third", "upload": True}
    assert narrow.put(f"/async/requests/{begun['id']}", json=put).status_code == 400
    assert caller.client.put(f"/async/requests/{begun['id']}", json=put).status_code == 202


def test_a_key_lists_the_requests_of_its_models(caller: Caller, narrow: httpx.Client) -> None:
    ours, theirs = (caller.submitted(model, asked(1, 2)) for model in ("third", "light"))
    listed = until("the index", lambda: seen(narrow, ours))
    assert {row["model"] for row in listed} == {"third"}
    assert until("the index", lambda: seen(caller.client, theirs))
    assert narrow.get("/async/requests?model=light").status_code == 403


def seen(client: httpx.Client, request_id: str) -> list[dict[str, Any]] | None:
    """List requests, once this one is among them."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = client.get("/async/requests", params={"limit": 100, "cursor": cursor}).json()
        rows, cursor = [*rows, *page["requests"]], page["next"]
    return rows if any(row["id"] == request_id for row in rows) else None


def test_an_input_over_the_limit_of_the_api_is_uploaded(caller: Caller) -> None:
    """12 MB of JSON, whose result is behind a URL, too."""
    rows = 600_000
    request = asked(*[float(number % 1000) for number in range(2 * rows)])
    body = json.dumps(request).encode()
    assert len(body) > 7_000_000
    begun = caller.client.post("/async/models/light/uploads", json={"size_bytes": len(body)})
    assert begun.status_code == 201, begun.text
    upload = begun.json()
    assert upload["method"] == "PUT"
    sent = httpx.put(upload["upload_url"], content=body, timeout=300, trust_env=False)
    assert sent.status_code == 200, sent.text
    put = caller.client.put(
        f"/async/requests/{upload['id']}", json={"model": "light", "upload": True}
    )
    assert put.status_code == 202, put.text
    ended = caller.ended(upload["id"])
    assert ended["status"] == "succeeded", ended
    assert "response" not in ended
    result = httpx.get(ended["response_url"], timeout=300, trust_env=False).json()
    assert result["outputs"][0]["shape"] == [rows, 2]
    assert result["outputs"][0]["data"][-2:] == [2 * 998 + 1, 2 * 999 + 1]


def test_an_upload_that_never_came_is_named(caller: Caller) -> None:
    begun = caller.client.post("/async/models/light/uploads", json={"size_bytes": 10}).json()
    put = caller.client.put(
        f"/async/requests/{begun['id']}", json={"model": "light", "upload": True}
    )
    assert put.status_code == 400
    assert begun["id"] in put.json()["error"]


@pytest.fixture
def paused(caller: Caller) -> Iterator[str]:
    """Give a model whose requests wait."""
    caller.stage.serval("pause", "third")
    caller.obeyed("pair")
    yield "third"
    caller.stage.serval("resume", "third")


def test_a_paused_model_keeps_its_requests_while_others_go_on(caller: Caller, paused: str) -> None:
    waiting = caller.submitted(paused, asked(1, 2))
    assert answered(caller.ended(caller.submitted("light", asked(1, 2)))) == [3, 5]
    assert caller.status(waiting) == "queued"
    caller.stage.serval("resume", paused)
    assert answered(caller.ended(waiting)) == [4, 3]


def test_what_is_cancelled_before_it_starts_never_runs(caller: Caller, paused: str) -> None:
    waiting = caller.submitted(paused, asked(1, 2))
    cancelled = caller.client.delete(f"/async/requests/{waiting}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    caller.stage.serval("resume", paused)
    after = caller.submitted(paused, asked(5, 6))
    assert answered(caller.ended(after)) == [0, -1]
    found = caller.get(waiting)
    assert (found["status"], found["started"], found["attempts"]) == ("cancelled", None, 0)


def test_what_is_cancelled_can_be_retried(caller: Caller, paused: str) -> None:
    waiting = caller.submitted(paused, asked(1, 2))
    caller.client.delete(f"/async/requests/{waiting}")
    caller.stage.serval("resume", paused)
    retried = caller.client.post(f"/async/requests/{waiting}/retry")
    assert retried.status_code == 202, retried.text
    assert answered(caller.ended(waiting)) == [4, 3]
    again = caller.client.post(f"/async/requests/{waiting}/retry")
    assert again.status_code == 409
    assert "has succeeded" in again.json()["error"]


def test_a_key_without_scope_sees_no_request(caller: Caller, narrow: httpx.Client) -> None:
    known = caller.submitted("light", asked(1, 2))
    for reply in (
        narrow.get(f"/async/requests/{known}"),
        narrow.delete(f"/async/requests/{known}"),
        narrow.post(f"/async/requests/{known}/retry"),
        narrow.get("/async/requests/nobody-knows"),
    ):
        assert reply.status_code == 404


def test_a_callback_is_signed_and_sent_until_it_is_accepted(
    caller: Caller, api_key: str, receiver: Receiver
) -> None:
    submitted = caller.submitted("light", asked(1, 2), serval_callback_url=receiver.url)
    until("a second callback", lambda: len(receiver.received) == 2)
    refused, accepted = receiver.received
    headers, body = accepted.headers, accepted.body
    assert headers["webhook-id"] == refused.headers["webhook-id"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    keys = ApiKeyStore(caller.table("RegistryTableName"))
    secret = keys.callback_secret(hash_api_key(api_key))
    assert secret != bytes.fromhex(hash_api_key(api_key))
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    document = json.loads(body)
    assert (document["id"], answered(document)) == (submitted, [3, 5])
    until("a note on the row", lambda: caller.row(submitted).callback_sent)


def test_nothing_is_sent_to_another_machine_of_the_network(caller: Caller) -> None:
    submitted = caller.submitted("light", asked(1, 2), serval_callback_url="http://10.0.0.1/")
    assert answered(caller.ended(submitted)) == [3, 5]
    error = until("a note on the row", lambda: caller.row(submitted).callback_error)
    assert "no address of the public internet" in error
