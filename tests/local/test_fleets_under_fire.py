"""Hundreds of requests while workers are killed and reclaimed, and nobody is kept waiting."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from serval.clock import timestamp, utc_now
from serval.requests import lifecycle
from serval.requests.ids import row_id
from serval.requests.ports import change
from serval.requests.request import AsyncRequest
from tests.local.fleet_caller import Caller, answered, asked, p50, p95, until
from tests.stateful.extent import TIMES

pytestmark = pytest.mark.soak
FLEET = "pair"
SOAKS = TIMES > 1
BY_THE_API = 1 if SOAKS else 5
"""One in so many is put through the API, and a soak's all."""
SHARE = 60 if SOAKS else 16
SHARES = {"light": 4 * SHARE, "third": 3 * SHARE, "heavier": 3 * SHARE}
LOST = 10
CALLERS = 8
FAIR_BACKLOG, FAIR_REQUESTS = (600, 60) if SOAKS else (150, 30)
FAIR_TURNS = 25
"""Requests of the backlog that may be begun while half of the light ones wait: counted and not
timed, and of half of them, as a busy machine may keep any one of them waiting.
"""
FAIR_THOUSANDS = 6.0
"""Turns of the loop that each request of the backlog asks for: some 25 ms."""
RIGHT: Mapping[str, Callable[[float], float]] = {
    "light": lambda x: 2 * x + 1,
    "third": lambda x: 5 - x,
    "heavier": lambda x: 3 * x,
    "slow": lambda x: x,
}


@pytest.fixture(autouse=True)
def awake(caller: Caller) -> None:
    caller.ready(FLEET, workers=2)


@dataclass(frozen=True)
class Asked:
    """One of the requests, and what it is to be answered."""

    id: str
    model: str
    x: float

    @property
    def row(self) -> str:
        return row_id(self.model, self.id)

    @property
    def body(self) -> dict[str, Any]:
        return asked(self.x, self.x + 1)

    @property
    def right(self) -> list[float]:
        return [RIGHT[self.model](self.x), RIGHT[self.model](self.x + 1)]


def shuffled(name: str) -> list[Asked]:
    """Give the requests in a shuffled order."""
    models = [model for model, count in SHARES.items() for _ in range(count)]
    random.Random(1).shuffle(models)
    return [Asked(f"{name}-{n:04d}", model, float(n)) for n, model in enumerate(models)]


def test_hundreds_of_requests_through_a_kill_and_a_reclaim(caller: Caller) -> None:
    """Every tenth message comes twice; ten submits were killed between row and message.

    They gather while their models are paused, so that workers are struck with their hands full.
    """
    requests = shuffled(f"fire-{time.time_ns():x}")
    lost = requests[:: len(requests) // LOST]
    sent = [one for one in requests if one not in lost]
    began = time.monotonic()
    long_ago = timestamp(utc_now() - timedelta(minutes=11))
    for one in lost:
        assert caller.store.create(row_of(one, FLEET, long_ago))
    caller.change(FLEET, paused=tuple(SHARES))
    caller.obeyed(FLEET)
    with ThreadPoolExecutor(CALLERS) as pool:
        for _ in pool.map(lambda pair: submit(caller, *pair), enumerate(sent)):
            pass
    submitted = time.monotonic()
    caller.change(FLEET, paused=())
    until("a third has ended", lambda: still_open(caller, requests) < len(requests) * 2 // 3)
    killed = strike(caller, 0, signal.SIGKILL)
    swept = caller.invoke("sweep")
    until("two thirds have ended", lambda: still_open(caller, requests) < len(requests) // 3)
    reclaimed = strike(caller, -1, signal.SIGTERM)
    until("all have ended", lambda: still_open(caller, requests) == 0)
    done = time.monotonic()
    assert sum(swept["sent"].values()) == LOST
    found = caller.store.find_all([one.row for one in requests])
    rows = [found[one.row] for one in requests]
    with ThreadPoolExecutor(CALLERS) as pool:
        results = list(pool.map(lambda row: result_of(caller, row), rows))
    statuses = Counter(row.status for row in rows)
    wrong = [one for one, got in zip(requests, results, strict=True) if got != one.right]
    begun = Counter(row.attempt for row in rows)
    print(
        f"\n{len(requests)} requests of {len(SHARES)} models: submitted in"
        f" {submitted - began:.0f} s, all ended {done - submitted:.0f} s later;"
        f" all of it {time.monotonic() - began:.0f} s"
        f"\n  killed pid {killed}, reclaimed pid {reclaimed};"
        f" {len(sent) // 10} messages twice, {LOST} rows without one"
        f"\n  {dict(statuses)}, {len(wrong)} wrong; by runs begun {dict(begun)},"
        f" by attempts charged {dict(Counter(row.attempts for row in rows))}"
    )
    assert statuses == {"succeeded": len(requests)}
    assert wrong == []
    assert len({row.response_key for row in rows}) == len(requests)
    for one in requests[::20]:
        assert answered(caller.get(one.id)) == one.right
    for model in SHARES:
        until(f"the queue of {model} is empty", lambda model=model: waiting(caller, model) == 0)
        assert caller.queues.counts(model).dead == 0


def result_of(caller: Caller, row: AsyncRequest) -> list[float]:
    """Read the result that a row points to."""
    found = caller.data.get(row.response_key or "")
    assert found is not None, row
    values: list[float] = json.loads(found)["outputs"][0]["data"]
    return values


def submit(caller: Caller, number: int, one: Asked) -> int:
    """Put a request through the API, or leave its row and its message as the API does."""
    if number % BY_THE_API == 0:
        reply = caller.put(one.id, one.model, one.body)
        assert reply.status_code in (200, 202), reply.text
    else:
        assert caller.store.create(row_of(one, FLEET, timestamp(utc_now())))
        caller.queues.send(one.model, one.row)
    if number % 10 == 0:
        caller.queues.send(one.model, one.row)
    return number


def row_of(one: Asked, fleet: str, moment: str) -> AsyncRequest:
    """Give the row of a request as a submit writes it, before it sends the message."""
    payload = json.dumps(one.body).encode()
    return AsyncRequest(
        id=one.row,
        chosen=one.id,
        model=one.model,
        fleet=fleet,
        created=moment,
        updated=moment,
        body_hash=sha256(payload).hexdigest(),
        payload=payload,
        payload_bytes=len(payload),
    )


def strike(caller: Caller, which: int, signum: signal.Signals) -> int:
    """Send a signal to one of the workers."""
    pid = int(caller.workers(FLEET)[which]["pid"])
    os.kill(pid, signum)
    return pid


def still_open(caller: Caller, requests: Iterable[Asked]) -> int:
    """Count the requests that have not ended, by the index of those that are open."""
    ids = {one.row for one in requests}
    return sum(one.id in ids for one in caller.store.open())


def test_a_light_model_is_served_through_the_backlog_of_another(caller: Caller) -> None:
    """One worker, so that it and the emulator have a core each.

    The backlog gathers while its model is paused, and is let go all at once.
    """
    caller.set_machines("sleepy", 1)
    caller.ready("sleepy", workers=1)
    alone = ages_ms(caller, paced(caller, "drowsy"))
    caller.stage.serval("pause", "slow")
    caller.obeyed("sleepy")
    name, now = f"backlog-{time.time_ns():x}", timestamp(utc_now())
    backlog = [Asked(f"{name}-{n:04d}", "slow", FAIR_THOUSANDS) for n in range(FAIR_BACKLOG)]
    with ThreadPoolExecutor(CALLERS) as pool:
        made = pool.map(lambda one: caller.store.create(row_of(one, "sleepy", now)), backlog)
        assert all(made)
    caller.queues.send_all("slow", [one.row for one in backlog])
    caller.stage.serval("resume", "slow")
    until("the backlog is worked on", lambda: waiting(caller, "slow") < FAIR_BACKLOG)
    print(f"\nlight's p50 and p95: {p50(alone):.0f} and {p95(alone):.0f} ms alone")
    rows = behind(caller)
    print(f"  {p95([age_ms(row) for row in rows]) / p95(alone):.2f} times its p95 alone")
    ahead = overtaken(rows, caller.store.find_all([one.row for one in backlog]).values())
    print(f"  {p50(ahead):.0f} and {p95(ahead):.0f} of the backlog begun while one waits")
    assert p50(ahead) <= FAIR_TURNS, f"of {FAIR_BACKLOG}, if it had to wait for all of them"
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda one: cancel(caller, one), reversed(backlog)))
    until("the backlog has gone", lambda: waiting(caller, "slow") == 0)
    assert still_open(caller, backlog) == 0


def cancel(caller: Caller, one: Asked) -> None:
    """Cancel a request, if it is still open."""
    row = caller.store.find(one.row)
    if row is not None and row.open:
        change(
            caller.store, row, lambda row: lifecycle.cancel(row, utc_now()) if row.open else None
        )


def behind(caller: Caller) -> list[AsyncRequest]:
    """Ask the light model while the backlog of the other one lasts."""
    before = waiting(caller, "slow")
    rows = ended_rows(caller, paced(caller, "drowsy"))
    ages = [age_ms(row) for row in rows]
    after = waiting(caller, "slow")
    print(
        f"  {p50(ages):.0f} and {p95(ages):.0f} ms behind a backlog of another model:"
        f" {before} requests when it began, {after} when it ended"
    )
    assert after > 0, "the backlog has gone before the light requests"
    return rows


def overtaken(rows: Iterable[AsyncRequest], others: Iterable[AsyncRequest]) -> list[float]:
    """Count for each request how many others were begun from its submit to its end."""
    begun = [row.started for row in others if row.started is not None]
    return [sum(row.created <= start <= (row.finished or "") for start in begun) for row in rows]


def waiting(caller: Caller, model: str) -> int:
    """Count the messages of a model, those that a worker holds included."""
    counts = caller.queues.counts(model)
    return counts.visible + counts.in_flight


def paced(caller: Caller, model: str) -> Iterator[str]:
    for number in range(FAIR_REQUESTS):
        due = time.monotonic() + 0.05
        yield caller.submitted(model, asked(number, 0))
        time.sleep(max(0.0, due - time.monotonic()))


def ages_ms(caller: Caller, requests: Iterable[str]) -> list[float]:
    """Give how long each request took from its row to its end, once all have ended."""
    return [age_ms(row) for row in ended_rows(caller, requests)]


def ended_rows(caller: Caller, requests: Iterable[str]) -> list[AsyncRequest]:
    """Give each request's row, once all have ended."""
    submitted = list(requests)
    for request in submitted:
        caller.ended(request)
    return [caller.row(request) for request in submitted]


def age_ms(row: AsyncRequest) -> float:
    assert row.finished is not None
    finished, created = (datetime.fromisoformat(each) for each in (row.finished, row.created))
    return (finished - created).total_seconds() * 1e3
