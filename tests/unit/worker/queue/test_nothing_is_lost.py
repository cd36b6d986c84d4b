"""Whatever happens to workers, messages and calls: nothing is lost, and each request ends once."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from serval.errors import RequestConflict
from serval.requests import lifecycle
from serval.requests.inbox import Message
from serval.requests.ports import change
from serval.requests.request import AsyncRequest
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.requests import InMemoryPayloads, InMemoryRequests
from tests.fakes.worker import CRASHES, FAILS, IS_REFUSED, LEASE, Stepped, WorkerDied, World, row_of
from tests.stateful.extent import extent

MODELS = ("textgen", "resnet")
ADDED = {"textgen": 1.0, "resnet": 10.0}
KINDS = {"good": 1.0, "fails": FAILS, "refused": IS_REFUSED, "crashes": CRASHES}
MOST_ATTEMPTS = 3
ASKED = st.lists(
    st.tuples(st.sampled_from(MODELS), st.sampled_from(["good", *sorted(KINDS)])),
    min_size=2,
    max_size=4,
)
NUMBERS = st.integers(0, 1)
"""Of a worker; each one that goes is followed by another."""


@dataclass
class Fuse:
    """Lets something happen at one of the calls that are made, before its effect or after it."""

    left: int | None = None
    after: bool = False
    happens: Callable[[], object] = lambda: None

    def call(self, effect: Callable[[], Any]) -> Any:
        """Have a call take effect."""
        due = self._count()
        if due and not self.after:
            self.happens()
        result = effect()
        if due and self.after:
            self.happens()
        return result

    def _count(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        if self.left >= 0:
            return False
        self.left = None
        return True


@dataclass
class FusedInbox(InMemoryInbox):
    fuse: Fuse = field(default_factory=Fuse)

    def receive(self, *given: Any) -> Sequence[Message]:
        found: Sequence[Message] = self.fuse.call(lambda: InMemoryInbox.receive(self, *given))
        return found

    def hide(self, *given: Any) -> None:
        self.fuse.call(lambda: InMemoryInbox.hide(self, *given))

    def delete(self, *given: Any) -> None:
        self.fuse.call(lambda: InMemoryInbox.delete(self, *given))

    def send(self, *given: Any) -> None:
        self.fuse.call(lambda: InMemoryInbox.send(self, *given))

    def dead_letter(self, *given: Any) -> None:
        self.fuse.call(lambda: InMemoryInbox.dead_letter(self, *given))


@dataclass
class FusedRequests(InMemoryRequests):
    fuse: Fuse = field(default_factory=Fuse)
    taken_over: Counter[str] = field(default_factory=Counter)
    """Attempts of a request that ended because their runner fell silent."""

    def find_all(self, *given: Any) -> Mapping[str, AsyncRequest]:
        found: Mapping[str, AsyncRequest] = self.fuse.call(
            lambda: InMemoryRequests.find_all(self, *given)
        )
        return found

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        return bool(self.fuse.call(lambda: self._save(before, after)))

    def _save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        saved = InMemoryRequests.save(self, before, after)
        if saved and before.status == "running" and after.attempt > before.attempt:
            assert (before.lease_until or "") <= (after.started or ""), "its runner is alive"
            self.taken_over[after.id] += 1
        return saved


@dataclass
class FusedPayloads(InMemoryPayloads):
    fuse: Fuse = field(default_factory=Fuse)

    def put(self, *given: Any) -> None:
        self.fuse.call(lambda: InMemoryPayloads.put(self, *given))


Step = Callable[[Stepped], object]


def fetch_and_prepare(worker: Stepped) -> None:
    worker.fetch()
    worker.prepare()


def beat(worker: Stepped) -> None:
    worker.worker.heartbeat.beat()


def die() -> None:
    raise WorkerDied


STEPS = st.sampled_from([Stepped.fetch, fetch_and_prepare, Stepped.run, Stepped.work, beat])


class Fleet(RuleBasedStateMachine):
    """Two workers, and everything that may happen to them."""

    @initialize(asked=ASKED)
    def begin(self, asked: Sequence[tuple[str, str]]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.fuse = Fuse()
        self.world.inbox = FusedInbox(self.world.clock, fuse=self.fuse)
        self.store = self.world.store = FusedRequests(fuse=self.fuse)
        self.world.payloads = FusedPayloads(fuse=self.fuse)
        for model in MODELS:
            self.world.registry.add(model, "1", ADDED[model])
        self.workers = [self.world.worker(f"w{number}") for number in range(2)]
        self.started = 2
        self.kinds: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.ended: dict[str, AsyncRequest] = {}
        self.submit(asked)

    @rule(asked=ASKED)
    def submit(self, asked: Sequence[tuple[str, str]]) -> None:
        for model, kind in asked:
            request_id = f"{kind}-{len(self.kinds)}"
            self.kinds[request_id] = kind
            self.world.submit(
                request_id, model=model, payload=row_of(KINDS[kind]), max_attempts=MOST_ATTEMPTS
            )

    def one_of(self, number: int) -> str:
        return sorted(self.kinds)[number % len(self.kinds)]

    @rule(which=st.integers(0, 20))
    def send_again(self, which: int) -> None:
        request_id = self.one_of(which)
        self.world.inbox.send(self.world.row(request_id).model, request_id)

    @rule(which=st.integers(0, 20))
    def cancel(self, which: int) -> None:
        request_id = self.one_of(which)
        row, now = self.world.row(request_id), self.world.clock()
        with suppress(RequestConflict):
            change(self.world.store, row, lambda current: lifecycle.cancel(current, now))
            self.cancelled.add(request_id)

    @rule(number=NUMBERS)
    def fetch(self, number: int) -> None:
        self.do(number, Stepped.fetch)

    @rule(number=NUMBERS)
    def prepare(self, number: int) -> None:
        self.do(number, fetch_and_prepare)

    @rule(number=NUMBERS)
    def run_batch(self, number: int) -> None:
        self.do(number, Stepped.run)

    @rule(number=NUMBERS)
    def beat(self, number: int) -> None:
        self.do(number, beat)

    @rule(number=NUMBERS)
    def work(self, number: int) -> None:
        self.do(number, Stepped.work)

    @rule(number=NUMBERS, step=STEPS, calls=st.integers(0, 9), after=st.booleans())
    def die_in(self, number: int, step: Step, calls: int, after: bool) -> None:
        """Let a worker die at one of the calls that it makes, or go on if it makes fewer."""
        self.fuse.left, self.fuse.after, self.fuse.happens = calls, after, die
        self.do(number, step)

    @rule(number=NUMBERS, step=STEPS, meanwhile=STEPS, calls=st.integers(0, 9), late=st.booleans())
    def overtake(self, number: int, step: Step, meanwhile: Step, calls: int, late: bool) -> None:
        """Let another worker do something at one of the calls that one makes, maybe late."""

        def other() -> None:
            if late:
                self.world.clock.pass_seconds(LEASE.total_seconds() + 1)
            self.do((number + 1) % len(self.workers), meanwhile)

        self.fuse.left, self.fuse.after, self.fuse.happens = calls, False, other
        self.do(number, step)

    @rule(number=NUMBERS)
    def die(self, number: int) -> None:
        self.replace(number)

    @rule(number=NUMBERS)
    def reclaim(self, number: int) -> None:
        """Tell a worker to go, between two runs: it gives everything back."""
        worker = self.workers[number].worker
        worker.stop()
        held = worker.drain.holdings.all()
        before = {one.message.request_id: one.attempt for one in held if one.begun}
        worker.finish.give_back(held)
        assert len(worker.drain.holdings) == 0
        for request_id, attempt in before.items():
            row = self.world.row(request_id)
            assert not (row.status == "running" and row.attempt == attempt)
        self.replace(number)

    @rule(seconds=st.sampled_from([0.05, 1.0, 5.0, LEASE.total_seconds() / 3]))
    def wait(self, seconds: float) -> None:
        self.world.clock.pass_seconds(seconds)

    @rule()
    def wait_until_leases_end(self) -> None:
        self.world.clock.pass_seconds(LEASE.total_seconds() + 1)

    def do(self, number: int, step: Step) -> None:
        """Let a worker do something, and start another in its place if that kills it."""
        try:
            step(self.workers[number])
        except WorkerDied:
            self.replace(number)
        finally:
            self.fuse.left = None

    def replace(self, number: int) -> None:
        self.workers[number] = self.world.worker(f"w{self.started}")
        self.started += 1

    @invariant()
    def attempts_are_few_and_each_has_its_reason(self) -> None:
        for row in self.world.store.rows.values():
            assert row.attempts <= MOST_ATTEMPTS
            if self.kinds[row.id] == "good" and row.status in ("queued", "running", "succeeded"):
                own = row.status != "queued"
                assert row.attempts == self.store.taken_over[row.id] + own

    @invariant()
    def who_has_ended_has_ended_for_good(self) -> None:
        for row in self.world.store.rows.values():
            if not row.open:
                assert self.ended.setdefault(row.id, row) == row

    @invariant()
    def results_are_there_and_right(self) -> None:
        for row in self.world.store.rows.values():
            if row.status == "succeeded":
                assert self.kinds[row.id] == "good"
                assert self.world.result(row.id) == [1.0 + ADDED[row.model], ADDED[row.model]]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.folder:
            for _ in range(20 * (1 + len(self.kinds))):
                if not any(self.world.inbox.queues.values()):
                    break
                self.do(0, Stepped.work)
                self.world.clock.pass_seconds(LEASE.total_seconds() + 1)
            self.everyone_has_ended()

    def everyone_has_ended(self) -> None:
        assert not any(self.world.inbox.queues.values()), "messages are left"
        letters = {request_id for _, request_id, _ in self.world.inbox.dead}
        for row in self.world.store.rows.values():
            self.ends_as_it_should(row, letters)
        self.attempts_are_few_and_each_has_its_reason()
        self.who_has_ended_has_ended_for_good()
        self.results_are_there_and_right()

    def ends_as_it_should(self, row: AsyncRequest, letters: set[str]) -> None:
        kind = self.kinds[row.id]
        assert not row.open, "a request is lost"
        if row.status == "cancelled":
            assert row.id in self.cancelled
        elif row.status == "failed":
            assert row.refused or row.attempts == MOST_ATTEMPTS
            assert row.refused or row.id in letters, "it failed, and nobody can redrive it"
            assert not row.refused or kind == "refused"
            assert kind != "good" or self.store.taken_over[row.id] == MOST_ATTEMPTS - 1


TestFleet = Fleet.TestCase
TestFleet.settings = extent(60, steps=30)
