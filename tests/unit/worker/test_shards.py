"""Shards of batch jobs beside a worker's requests: what it keeps, works on and gives back."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from serval.batch.tasks import TaskOutcome
from serval.worker.faults import Patience
from serval.worker.held import Held, Holdings
from serval.worker.inbox import Message
from serval.worker.shards import ELSEWHERE_SECONDS, NEXT, Shards
from tests.fakes.worker import HandClock, InMemoryInbox, Unanswered

BODY = {"shard": {"index": 0}, "task_token": "a-token"}


class Desk:
    """A worker's shards and the queue that they come from."""

    def __init__(self, run: Callable[[Mapping[str, Any]], TaskOutcome] | None) -> None:
        self.stopping = threading.Event()
        self.inbox = InMemoryInbox(HandClock())
        patience = Patience((Unanswered,), lambda _: None, lambda _: None)
        self.holdings = Holdings(self.inbox, patience)
        self.shards = Shards(
            run=run, holdings=self.holdings, patience=patience, stopping=self.stopping
        )

    def receive(self, count: int = 1) -> list[Held]:
        for _ in range(count):
            self.inbox.send("textgen", "")
        found = [one for _ in range(count) for one in self.inbox.receive("textgen", 1, 0, 60)]
        held = [Held(Message(one.model, "", one.receipt, BODY), 0.0) for one in found]
        self.holdings.add(held)
        self.shards.take(held)
        return held

    def visible_after(self) -> list[float]:
        return [sent.visible_at - self.inbox.clock.seconds for sent in self.inbox.queues["textgen"]]


def working(outcome: TaskOutcome | Exception) -> tuple[Desk, list[Mapping[str, Any]]]:
    """Have a shard worked on, after which the worker is stopped."""
    seen: list[Mapping[str, Any]] = []

    def run(body: Mapping[str, Any]) -> TaskOutcome:
        seen.append(body)
        desk.stopping.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    desk = Desk(run)
    desk.receive()
    desk.shards.work()
    return desk, seen


@pytest.mark.parametrize("outcome", ["done", "stale"])
def test_a_message_goes_when_its_shard_is_done_here_or_elsewhere(outcome: TaskOutcome) -> None:
    desk, seen = working(outcome)
    assert seen == [BODY]
    assert desk.inbox.queues["textgen"] == []
    assert len(desk.holdings) == 0


def test_a_shard_that_is_given_back_is_seen_at_once() -> None:
    desk, _ = working("given back")
    assert desk.visible_after() == [0]
    assert len(desk.holdings) == 0


def test_a_shard_is_seen_again_when_aws_does_not_answer() -> None:
    desk, _ = working(Unanswered("states"))
    assert desk.visible_after() == [5]


def test_what_has_no_place_here_is_for_other_workers() -> None:
    desk = Desk(lambda _: "done")
    desk.receive(NEXT + 2)
    assert sorted(desk.visible_after()) == [60] * NEXT + [ELSEWHERE_SECONDS] * 2
    assert len(desk.holdings) == NEXT


def test_a_worker_that_knows_no_batch_jobs_leaves_shards_alone() -> None:
    desk = Desk(None)
    desk.receive()
    assert desk.visible_after() == [ELSEWHERE_SECONDS]


def test_what_is_worked_on_is_not_given_back_before_it_has_come_to_a_stop() -> None:
    told: list[bool] = []
    desk = Desk(
        lambda _: told.append(desk.shards.working_on(held)) or desk.stopping.set() or "done"
    )
    (held,) = desk.receive()
    assert not desk.shards.working_on(held)
    desk.shards.work()
    assert told == [True]
    assert not desk.shards.working_on(held)
