"""What becomes of requests when something fails: nothing is lost, and nobody else pays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from serval.requests import lifecycle
from serval.requests.request import AsyncRequest
from serval.worker.program.faults import RETRY_SECONDS
from tests.fakes.inbox import Unanswered
from tests.fakes.inference import signature
from tests.fakes.requests import InMemoryRequests
from tests.fakes.worker import (
    CRASHES,
    FAILS,
    IS_REFUSED,
    LEASE,
    RecordedCallbacks,
    Stepped,
    WorkerDied,
    World,
    row_of,
)


def wait_out(world: World) -> None:
    world.clock.pass_seconds(LEASE.total_seconds() + 1)


def test_a_request_that_fails_takes_nobody_with_it(world: World, worker: Stepped) -> None:
    world.submit("good", "fine")
    world.submit("poison", payload=row_of(FAILS))
    worker.work()
    assert world.runs == [3, 1, 1, 1]
    assert world.result("good") == world.result("fine") == [2.0, 1.0]
    assert world.row("good").attempts == 1
    assert world.row("poison").status == "queued"


def test_a_request_that_fails_is_tried_again_later_and_alone(world: World, worker: Stepped) -> None:
    world.submit("poison", payload=row_of(FAILS))
    worker.work()
    row = world.row("poison")
    assert (row.status, row.attempts, row.alone) == ("queued", 1, True)
    assert row.error == "model 'textgen' version '1' failed: this row cannot be run"
    assert world.inbox.visible("textgen") == []
    world.clock.pass_seconds(2)
    assert world.inbox.visible("textgen") == ["poison"]
    world.runs.clear()
    world.submit("good")
    worker.work()
    assert world.runs == [1, 1]


def test_a_request_that_failed_its_attempts_is_dead_lettered_with_its_reason(
    world: World, worker: Stepped
) -> None:
    world.submit("poison", payload=row_of(FAILS), callback_url="https://example.com/")
    for _ in range(5):
        worker.work()
        wait_out(world)
    row = world.row("poison")
    reason = "failed 3 times, at last: model 'textgen' version '1' failed: this row cannot be run"
    assert (row.status, row.attempts, row.error) == ("failed", 3, reason)
    assert world.inbox.dead == [("textgen", "poison", reason)]
    assert world.inbox.queues["textgen"] == []
    assert world.callbacks.sent == ["poison"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "the body is not valid JSON"),
        (b'{"inputs": []}', "input 'x' is missing"),
        (row_of(IS_REFUSED), "this row is refused"),
    ],
)
def test_what_the_caller_has_to_mend_is_not_tried_again(
    world: World, worker: Stepped, body: bytes, error: str
) -> None:
    world.submit("bad", payload=body)
    world.submit("good")
    worker.work()
    row = world.row("bad")
    assert (row.status, world.inbox.dead) == ("failed", [])
    assert error in (row.error or "")
    assert world.row("good").status == "succeeded"
    assert [m["Errors"] for m in world.metrics()] == [0]


def test_a_body_that_is_gone_says_so(world: World, worker: Stepped) -> None:
    world.submit("r1", payload=None, payload_key="async/r1/request")
    worker.work()
    error = "its body is gone: there is no object 'async/r1/request'"
    assert (world.row("r1").status, world.row("r1").error) == ("failed", error)


def crash(world: World, worker: Stepped) -> Stepped:
    """Run until the worker dies, and start another one when its leases have ended."""
    with pytest.raises(WorkerDied):
        worker.work()
    wait_out(world)
    return world.worker("another")


def test_after_a_crash_everyone_of_the_batch_runs_alone(world: World, worker: Stepped) -> None:
    world.submit("good", "fine")
    world.submit("poison", payload=row_of(CRASHES))
    other = crash(world, worker)
    world.runs.clear()
    with pytest.raises(WorkerDied):
        other.work()
    assert world.result("good") == world.result("fine") == [2.0, 1.0]
    assert world.row("good").attempts == 2
    assert world.runs == [1, 1, 1]


def test_a_request_that_kills_workers_is_dead_lettered_and_takes_nobody_with_it(
    world: World, worker: Stepped
) -> None:
    world.submit("poison", payload=row_of(CRASHES))
    world.submit("good")
    for _ in range(3):
        worker = crash(world, worker)
    worker.work()
    row = world.row("poison")
    reason = "attempted 3 times, and its last attempt was lost"
    assert (row.status, row.error) == ("failed", reason)
    assert world.inbox.dead == [("textgen", "poison", reason)]
    assert world.row("good").status == "succeeded"
    assert world.inbox.queues["textgen"] == []


@dataclass
class DiesBeforeClosing(InMemoryRequests):
    """A table whose writer is gone before it closes a row."""

    dies: bool = True

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        if self.dies and not after.open:
            raise WorkerDied
        return super().save(before, after)


def test_a_crash_between_the_dead_letter_and_the_row_loses_neither(world: World) -> None:
    store = world.store = DiesBeforeClosing()
    world.submit("poison", payload=row_of(FAILS), max_attempts=1)
    with pytest.raises(WorkerDied):
        world.worker().work()
    assert [request_id for _, request_id, _ in world.inbox.dead] == ["poison"]
    assert world.row("poison").status == "running"
    store.dies = False
    wait_out(world)
    world.worker("another").work()
    assert world.row("poison").status == "failed"
    assert {request_id for _, request_id, _ in world.inbox.dead} == {"poison"}


def test_a_crash_between_the_letter_of_an_exhausted_request_and_its_row_loses_neither(
    world: World,
) -> None:
    store = world.store = DiesBeforeClosing(dies=False)
    world.submit("poison", payload=row_of(CRASHES), max_attempts=1)
    worker = crash(world, world.worker())
    store.dies = True
    worker = crash(world, worker)
    assert [request_id for _, request_id, _ in world.inbox.dead] == ["poison"]
    store.dies = False
    worker.work()
    assert world.row("poison").status == "failed"


def test_a_refusal_that_loses_a_race_for_the_row_leaves_it_alone(
    world: World, worker: Stepped
) -> None:
    world.submit("bad", payload=b"{")
    worker.fetch()
    row = world.row("bad")
    begun = lifecycle.begin(row, "rival", world.clock(), LEASE)
    world.store.rival = replace(begun, revision=row.revision + 1)
    worker.prepare()
    assert (world.row("bad").status, world.row("bad").runner) == ("running", "rival")
    assert len(world.inbox.queues["textgen"]) == 1


def test_a_crash_between_the_result_and_the_row_runs_it_again(world: World) -> None:
    store = world.store = DiesBeforeClosing()
    world.submit("r1")
    with pytest.raises(WorkerDied):
        world.worker().work()
    store.dies = False
    wait_out(world)
    world.worker("another").work()
    assert world.row("r1").response_key == "async/r1/2/response"


def test_a_version_that_cannot_be_loaded_costs_attempts(world: World, worker: Stepped) -> None:
    world.registry.fetches_fail = True
    world.submit("r1", "r2")
    worker.work()
    assert world.row("r1").attempts == world.row("r2").attempts == 1
    assert world.row("r1").status == "queued"
    assert "cannot be loaded" in (world.row("r1").error or "")


def test_a_store_that_does_not_answer_costs_nobody_an_attempt(
    world: World, worker: Stepped
) -> None:
    world.registry.lost = False
    world.registry.fetches_fail = True
    world.submit("r1")
    worker.work()
    assert (world.row("r1").status, world.row("r1").attempts) == ("queued", 0)
    world.registry.fetches_fail = False
    world.clock.pass_seconds(RETRY_SECONDS)
    worker.work()
    assert world.row("r1").status == "succeeded"


def test_a_registry_that_does_not_answer_while_a_version_is_loaded_costs_no_attempt(
    world: World, worker: Stepped
) -> None:
    worker.worker.prepare.learn(world.models)
    world.registry.silent = True
    world.submit("r1", "r2")
    worker.work()
    assert (world.row("r1").status, world.row("r1").attempts) == ("queued", 0)
    world.registry.silent = False
    world.clock.pass_seconds(RETRY_SECONDS)
    worker.work()
    assert (world.row("r1").status, world.row("r1").attempts) == ("succeeded", 1)


@dataclass
class Silent(InMemoryRequests):
    """A table that does not answer some calls."""

    unanswered: set[str] = field(default_factory=set)

    def find_all(self, request_ids: Sequence[str]) -> Mapping[str, AsyncRequest]:
        if "find_all" in self.unanswered:
            raise Unanswered
        return super().find_all(request_ids)

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        if "save" in self.unanswered or ("close" in self.unanswered and not after.open):
            raise Unanswered
        return super().save(before, after)


@pytest.mark.parametrize("call", ["find_all", "save"])
def test_a_table_that_does_not_answer_puts_requests_off(world: World, call: str) -> None:
    store = world.store = Silent(unanswered={call})
    worker = world.worker()
    world.submit("r1")
    worker.work()
    assert world.row("r1").attempts == 0
    assert world.inbox.visible("textgen") == []
    world.clock.pass_seconds(RETRY_SECONDS)
    store.unanswered.clear()
    worker.work()
    assert world.row("r1").status == "succeeded"


def test_a_row_that_cannot_be_closed_is_run_again_when_its_lease_ends(world: World) -> None:
    store = world.store = Silent(unanswered={"close"})
    worker = world.worker()
    world.submit("r1")
    worker.work()
    store.unanswered.clear()
    wait_out(world)
    worker.work()
    assert (world.row("r1").status, world.row("r1").attempts) == ("succeeded", 2)


def test_a_queue_that_does_not_delete_sends_a_message_that_is_dropped(
    world: World, worker: Stepped
) -> None:
    world.inbox.failing.add("delete")
    world.submit("r1")
    worker.work()
    world.inbox.failing.clear()
    wait_out(world)
    worker.work()
    assert world.inbox.queues["textgen"] == []
    assert world.runs == [1]


class Dying(RecordedCallbacks):
    """Of a worker that dies before it has asked for a callback."""

    def send(self, request_id: str, submitter: str | None = None) -> None:
        raise WorkerDied


def test_who_died_between_an_end_and_its_callback_has_it_asked_for_when_the_message_comes_again(
    world: World,
) -> None:
    world.callbacks = Dying()
    world.submit("r1", callback_url="https://example.com/")
    with pytest.raises(WorkerDied):
        world.worker().work()
    assert world.row("r1").status == "succeeded"
    world.callbacks = RecordedCallbacks()
    wait_out(world)
    world.worker().work()
    assert world.callbacks.sent == ["r1"]
    assert world.inbox.queues["textgen"] == []
    assert world.runs == [1]


def test_a_request_that_breaks_the_workers_own_code_is_charged_for_it(
    world: World, worker: Stepped
) -> None:
    world.registry.records["textgen", "1"] = replace(
        world.registry.records["textgen", "1"],
        signature=signature("no such datatype", [-1, 2]),
    )
    world.submit("r1", header_length=0)
    worker.work()
    assert (world.row("r1").status, world.row("r1").attempts) == ("queued", 1)
    assert "KeyError" in (world.row("r1").error or "")
