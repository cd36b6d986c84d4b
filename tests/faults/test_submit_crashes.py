"""Submitting when its process dies, at any call of a port: before its effect, or right after.

A caller repeats a PUT; a POST that got no answer is left to the sweeper, which sends again the
messages of what is queued. Whoever comes first, the request runs once, on what was asked.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pytest

from serval.requests.lifecycle import action_for
from serval.requests.request import AsyncRequest
from tests.fakes.registration import Crash, Crashes
from tests.fakes.submission import Bench, answered, call, inference_request, put, result

SMALL, LARGE = inference_request(), inference_request("x" * 4000)
PORTS = ("store", "payloads", "queue", "woken")


@dataclass
class Dying:
    """A port whose every call may be the last."""

    port: Any
    name: str
    crashes: Crashes

    def __getattr__(self, call: str) -> Any:
        def dying(*given: Any) -> Any:
            self.crashes.before(f"{self.name}.{call}")
            answer = getattr(self.port, call)(*given)
            self.crashes.done()
            return answer

        return dying


def mortal(bench: Bench, crashes: Crashes) -> Bench:
    """Give the stage to a process that may die."""
    for name in PORTS:
        setattr(bench, name, Dying(getattr(bench, name), name, crashes))
    return bench


def alive(bench: Bench) -> Bench:
    """Give the stage to a process that lives."""
    for name in PORTS:
        setattr(bench, name, getattr(bench, name).port)
    return bench


def asked(event: str, request: dict[str, Any]) -> dict[str, Any]:
    if event == "put":
        return put("r", {"model": "textgen", "request": request})
    return call("submit", body=request)


def crashed(given: dict[str, Any]) -> Iterator[tuple[str, Bench]]:
    """Die at each call that an uninterrupted submit makes, before it and after it."""
    whole = Crashes()
    answered(mortal(Bench(), whole).submit.reply(given), 202)
    for after in (False, True):
        for at, call_ in enumerate(whole.calls):
            bench = mortal(Bench(), Crashes(at, after))
            with pytest.raises(Crash):
                bench.submit.reply(given)
            yield f"{'after' if after else 'before'} {call_}", alive(bench)


def payload(bench: Bench, row: AsyncRequest) -> Any:
    return json.loads(row.payload or bench.payloads.objects[row.payload_key or ""])


def sweep(bench: Bench) -> None:
    """Do what the sweeper does with what has been queued too long."""
    for row in bench.store.open():
        bench.queue.send(row.model, row.id)
        bench.woken.wake(row.fleet)


def work(bench: Bench) -> list[str]:
    """Run what the messages ask for, each as often as it was sent; gives what was run."""
    run = []
    for request_id in bench.queue.sent.pop("textgen", []):
        if action_for(bench.store.rows[request_id], bench.clock()) == "run":
            bench.succeed(request_id, result())
            run.append(bench.find(request_id).name)
    return run


@pytest.mark.parametrize("request_", [SMALL, LARGE], ids=["in the row", "in the bucket"])
@pytest.mark.parametrize("event", ["put", "post"])
def test_calls_are_made_in_the_order_that_loses_nothing(
    event: str, request_: dict[str, Any]
) -> None:
    crashes = Crashes()
    answered(mortal(Bench(), crashes).submit.reply(asked(event, request_)), 202)
    first = ["store.find_all"] if event == "put" else []
    second = ["payloads.put"] if request_ is LARGE else []
    assert crashes.calls == [*first, *second, "store.create", "queue.send", "woken.wake"]


@pytest.mark.parametrize("request_", [SMALL, LARGE], ids=["in the row", "in the bucket"])
@pytest.mark.parametrize("event", ["put", "post"])
def test_a_crash_leaves_no_message_without_a_row_and_no_row_without_what_was_asked(
    event: str, request_: dict[str, Any]
) -> None:
    for crash, bench in crashed(asked(event, request_)):
        rows = bench.store.rows
        assert set(bench.queue.sent["textgen"]) <= rows.keys(), crash
        for row in rows.values():
            assert payload(bench, row) == request_, crash


@pytest.mark.parametrize("request_", [SMALL, LARGE], ids=["in the row", "in the bucket"])
def test_a_put_that_died_is_done_by_the_next_one_and_runs_once(request_: dict[str, Any]) -> None:
    given = asked("put", request_)
    seen = []
    for crash, bench in crashed(given):
        ran = work(bench)
        answered(bench.submit.reply(given), 200 if ran else 202)
        assert ran + work(bench) == ["r"], crash
        assert payload(bench, bench.row) == request_, crash
        assert bench.woken.asked or ran, crash
        seen.append(crash)
    assert "after store.create" in seen


@pytest.mark.parametrize("request_", [SMALL, LARGE], ids=["in the row", "in the bucket"])
@pytest.mark.parametrize("event", ["put", "post"])
def test_a_row_without_a_message_is_swept_up_and_runs_once(
    event: str, request_: dict[str, Any]
) -> None:
    for crash, bench in crashed(asked(event, request_)):
        accepted = [row.name for row in bench.store.rows.values()]
        ran = work(bench)
        sweep(bench)
        assert ran + work(bench) == accepted, crash
        assert all(row.status == "succeeded" for row in bench.store.rows.values()), crash


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(4))
def test_a_retry_that_died_is_swept_up_too(at: int, after: bool) -> None:
    bench = Bench()
    answered(bench.submit.reply(asked("put", SMALL)), 202)
    bench.fail("r", "no reason")
    bench.queue.sent.clear()
    given = call("submit_retry", "/async/requests/r/retry")
    crashes = Crashes(at, after)
    with pytest.raises(Crash):
        mortal(bench, crashes).submit.reply(given)
    alive(bench)

    if bench.row.status == "failed":
        answered(bench.submit.reply(given), 202)
    sweep(bench)

    assert work(bench) == ["r"], crashes.calls


def test_fifty_puts_at_once_run_once() -> None:
    bench = Bench()
    lock, create = Lock(), bench.store.create

    def atomic(request: AsyncRequest) -> bool:
        with lock:
            return create(request)

    bench.store.create = atomic  # type: ignore[method-assign]
    endpoint = bench.submit
    with ThreadPoolExecutor(50) as clients:
        replies = list(clients.map(lambda _: endpoint.reply(asked("put", LARGE)), range(50)))
    assert {reply["statusCode"] for reply in replies} == {202}
    assert set(bench.queue.sent["textgen"]) == {bench.row.id}
    assert work(bench) == ["r"]
