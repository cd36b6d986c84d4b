"""A stage of async requests: callers, two workers, an endpoint and the sweeper, over ports that may
be interrupted."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, cast

from serval.aws.dynamodb.requests import RequestTable
from serval.fleets.endpoints.attempt import RUNNER
from serval.fleets.endpoints.notices import read_notices
from serval.requests.request import PAYLOAD_DAYS, AsyncRequest
from serval.requests.table import EXPIRES, from_attributes, to_attributes
from tests.fakes.endpoints import ManagedFleet
from tests.fakes.fleets import StoredObjects
from tests.fakes.inbox import HandClock
from tests.fakes.requests import InMemoryRequests
from tests.fakes.submission import KEY, Bench, call, put
from tests.fakes.worker import CRASHES, FAILS, IS_REFUSED, Registry, WorkerDied, World
from tests.stateful.interruptions import Interrupted, Interrupting
from tests.stateful.request_witness import RequestWitness
from tests.stateful.row_rules import CALLER, DISPATCH, SWEEP

BODIES = (1.0, 2.0, FAILS, CRASHES, IS_REFUSED)
LARGE_ROWS = 1_100
"""Rows of a request that is too large to lie in the table."""
ANSWER_ADDS = 100.0
RECEIVER = "https://receiver.example.org/ended"


class Table(RequestTable):
    """The requests table of an emulator, of which a test sees every row."""

    __slots__ = ()

    @property
    def rows(self) -> dict[str, AsyncRequest]:
        items = self.table.scan(ConsistentRead=True)["Items"]
        return {row.id: row for row in map(from_attributes, items)}

    def expire(self, now: float) -> list[AsyncRequest]:
        """Delete what DynamoDB would by the table's TTL attribute, and no other."""
        items = self.table.scan(ConsistentRead=True)["Items"]
        gone = [item for item in items if item.get(EXPIRES, now) < now]
        for item in gone:
            self.table.delete_item(Key={"id": item["id"]})
        return list(map(from_attributes, gone))


class Rows(InMemoryRequests):
    """Rows in memory, which expire."""

    def expire(self, now: float) -> list[AsyncRequest]:
        """Delete what DynamoDB would by the table's TTL attribute, and no other."""
        rows = list(self.rows.values())
        gone = [row for row in rows if to_attributes(row).get(EXPIRES, now) < now]
        for row in gone:
            del self.rows[row.id]
        return gone


@dataclass
class DatedObjects(StoredObjects):
    """A data bucket that knows since when it has what it has."""

    clock: HandClock = field(default_factory=HandClock)
    since: dict[str, datetime] = field(default_factory=dict)

    def put(self, key: str, body: bytes) -> None:
        super().put(key, body)
        self.since[key] = self.clock()

    def renew(self, key: str) -> bool:
        there = super().renew(key)
        if there:
            self.since[key] = self.clock()
        return there

    def expire(self) -> None:
        limit = self.clock() - timedelta(days=PAYLOAD_DAYS)
        for key in [key for key, since in self.since.items() if since < limit]:
            del self.since[key], self.objects[key]


def body_of(value: float, *, large: bool) -> dict[str, Any]:
    """Make an inference request whose answer tells it from others."""
    rows = LARGE_ROWS if large else 1
    tensor = {"name": "x", "shape": [rows, 2], "datatype": "FP32", "data": [value, 0.0] * rows}
    return {"inputs": [tensor]}


class RequestStage:
    """Everything that acts on requests, all of it the library's own."""

    def __init__(self, folder: Path, store: Any = None) -> None:
        self.interrupting = Interrupting()
        self.managed = managed = ManagedFleet()
        self.clock, self.queues = managed.clock, managed.queues
        self.store: Any = RequestWitness(store or Rows(), self.interrupting, self.clock)
        self.objects = DatedObjects(clock=self.clock)
        self.called_back = managed.callbacks
        self.names = count(1)
        self.notices: list[dict[str, Any]] = []
        self.bench = Bench(edge=Registry())
        self.bench.grant(KEY, rate=1_000_000)
        self.world = World(folder, clock=self.clock, registry=cast(Registry, self.bench.edge))
        for model in ("textgen", "vision"):
            self.world.registry.add(model, "1", ANSWER_ADDS)
        self.world.models = ("textgen",)
        self._wire()
        self.workers = {name: self.new_worker() for name in ("left", "right")}

    def _wire(self) -> None:
        """Have every actor reach the same ports, through what interrupts them."""
        payloads = Interrupted(self.objects, self.interrupting)
        queue = Interrupted(self.queues, self.interrupting)
        callbacks = Interrupted(self.called_back, self.interrupting)
        bench, world, managed = (
            cast(Any, self.bench),
            cast(Any, self.world),
            cast(Any, self.managed),
        )
        bench.store, bench.payloads, bench.clock = self._rows(CALLER), payloads, self.clock
        bench.queue, bench.called_back = queue, callbacks
        world.payloads, world.inbox, world.callbacks = payloads, queue, callbacks
        managed.queues, managed.objects, managed.callbacks = queue, payloads, callbacks

    def _rows(self, actor: str) -> Any:
        """Give the table as an actor has it."""
        return Interrupted(self.store, self.interrupting, actor)

    def new_worker(self) -> Any:
        name = f"worker-{next(self.names)}"
        self.world.store = self._rows(name)
        return self.world.worker(name)

    # Callers

    def put(self, name: str, model: str, value: float, *, large: bool) -> Any:
        body = {"model": model, "request": body_of(value, large=large)}
        if large:
            body["callback_url"] = RECEIVER
        return self.bench.submit.reply(put(name, body))

    def post(self, value: float, *, large: bool) -> Any:
        body = body_of(value, large=large)
        return self.bench.submit.reply(call("submit", "/async/models/textgen/infer", body))

    def cancel(self, name: str, model: str) -> Any:
        return self._about("requests_cancel", f"/async/requests/{name}", model)

    def retry(self, name: str, model: str) -> Any:
        return self._about("submit_retry", f"/async/requests/{name}/retry", model)

    def _about(self, event: str, path: str, model: str) -> Any:
        endpoint: Any = self.bench.requests if "cancel" in event else self.bench.submit
        return endpoint.reply(call(event, path, query=f"model={model}"))

    # The fleet with workers

    def fetch(self, which: str) -> None:
        self._work(which, lambda one: one.fetch())

    def prepare(self, which: str) -> None:
        self._work(which, lambda one: one.prepare())

    def run(self, which: str) -> None:
        self._work(which, lambda one: one.run())

    def beat(self, which: str) -> None:
        self._work(which, lambda one: one.worker.heartbeat.beat())

    def work(self, which: str) -> None:
        self._work(which, lambda one: one.work())

    def take_again(self, which: str) -> None:
        """Have leases end, and a worker receive once more what it is about to end."""
        self.clock.pass_seconds(130)
        self.fetch(which)
        self.prepare(which)

    def drain(self, which: str) -> None:
        """Stop a worker, which gives back what it holds."""
        self._work(which, lambda one: one.worker.finish.give_back(one.worker.drain.holdings.all()))
        self.workers[which] = self.new_worker()

    def _work(self, which: str, step: Any) -> None:
        worker = self.workers[which]
        try:
            step(worker)
        except WorkerDied:
            self.workers[which] = self.new_worker()
        except BaseException:
            self.workers[which] = self.new_worker()
            raise

    # The fleet with an endpoint

    def dispatch(self) -> None:
        token = self.managed.duty.call("managed", recount=True)
        self.managed.requests = self._rows(DISPATCH)
        if token is not None:
            self.managed.dispatching().dispatch("managed", token)

    def endpoint_ends(self) -> None:
        """Let the endpoint end its oldest inference; its notice is on its way."""
        held = self.managed.endpoints.held
        if not held:
            return
        inference = next(iter(held))
        _, payload, _ = held.pop(inference)
        body = payload if isinstance(payload, bytes) else self.objects.objects.get(payload)
        value = None if body is None else json.loads(body)["inputs"][0]["data"][0]
        if value is None or value < 0:
            self.notices.append(self.managed.fail(inference))
        else:
            self.notices.append(self.managed.answer(inference, answer(value)))

    def notice(self, again: bool = False) -> None:
        """Deliver the oldest notice; it may come again."""
        if self.notices:
            event = self.notices[0] if again else self.notices.pop(0)
            (told,) = read_notices(event)
            self.managed.requests = self._rows(RUNNER + told.inference_id)
            self.managed.completion().complete(event)

    # Time

    def pass_seconds(self, seconds: float) -> None:
        self.clock.pass_seconds(seconds)

    def sweep(self) -> None:
        self.managed.requests = self._rows(SWEEP)
        self.managed.sweep()

    def lose_message(self) -> None:
        """Lose a message, as a queue does that keeps them for a while only."""
        for queue in self.queues.queues.values():
            del queue[:1]

    def expire(self) -> list[AsyncRequest]:
        """Let go of rows and objects whose time has come; gives the rows.

        Days have passed: what endpoints and workers held is given up long since.
        """
        self.managed.endpoints.held.clear()
        self.notices.clear()
        self.workers = {name: self.new_worker() for name in self.workers}
        self.objects.expire()
        gone: list[AsyncRequest] = self.store.expire(self.clock().timestamp())
        for row in gone:
            # Endpoints name what they write anew each time, whichever inference it is of.
            for key in [
                key for key in self.objects.objects if key.startswith(f"async-out/{row.id}.")
            ]:
                del self.objects.objects[key], self.objects.since[key]
        return gone

    def rows(self) -> Iterable[AsyncRequest]:
        return list(self.store.rows.values())

    def asked(self, row: AsyncRequest) -> Any:
        """Give what a row asks; None: it is gone."""
        body = row.payload if row.payload_key is None else self.objects.objects.get(row.payload_key)
        return None if body is None else first_value(body)

    def answered(self, row: AsyncRequest) -> Any:
        """Give the first number of a result; None: it is not there."""
        body = self.objects.objects.get(row.response_key or "")
        return None if body is None else first_answer(body)


@lru_cache(1000)
def first_value(body: bytes) -> Any:
    return json.loads(body)["inputs"][0]["data"][0]


@lru_cache(1000)
def first_answer(body: bytes) -> Any:
    return flat(json.loads(body)["outputs"][0]["data"])[0]


def flat(data: Any) -> Any:
    return flat(data[0]) if isinstance(data[0], list) else data


def answer(value: float) -> bytes:
    """Write what the endpoint answers."""
    data = {"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [value + ANSWER_ADDS]}
    return json.dumps({"model_name": "vision", "model_version": "1", "outputs": [data]}).encode()
