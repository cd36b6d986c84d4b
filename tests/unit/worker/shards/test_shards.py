"""Shards of batch jobs beside a worker's requests: what it takes, ends, gives back and gives up."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.batch.shard.tasks import TaskOutcome
from serval.worker.program.faults import RETRY_SECONDS, Retries
from serval.worker.shards.shards import MOST_RECEIPTS, PAUSED_SECONDS, ShardMessage, Shards
from tests.fakes.inbox import Unanswered

BODY = {"shard": {"index": 0}, "model": "textgen", "task_token": "a-token"}


@dataclass
class RecordedQueue:
    """``ShardQueue``: what waits there, and what was done with what was received."""

    waiting: list[ShardMessage] = field(default_factory=list)
    done: list[tuple[Any, ...]] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)
    outages: int = 0

    def receive(self, wait_seconds: int, visibility_seconds: int) -> ShardMessage | None:
        self.asked.append((wait_seconds, visibility_seconds))
        if self.outages:
            self.outages -= 1
            raise Unanswered("receive")
        return self.waiting.pop(0) if self.waiting else None

    def hide(self, message: ShardMessage, seconds: int) -> None:
        self.done.append(("hide", message.receipt, seconds))

    def delete(self, message: ShardMessage) -> None:
        self.done.append(("delete", message.receipt))

    def give_back(self, message: ShardMessage, seconds: int) -> None:
        self.done.append(("give back", message.receipt, seconds))


@dataclass
class Runner:
    """``ShardRunner``: ends every shard in the same way."""

    outcome: TaskOutcome | Exception = "done"
    during: Callable[[Callable[[], object]], object] = lambda keep: None
    seen: list[Mapping[str, Any]] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def run(self, body: Mapping[str, Any], keep: Callable[[], object]) -> TaskOutcome:
        self.seen.append(body)
        self.during(keep)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def give_up(self, body: Mapping[str, Any], reason: str) -> None:
        self.given_up.append(reason)


class Desk:
    """A worker's shards and the queue that they come from."""

    def __init__(self, runner: Runner | None = None) -> None:
        self.stopping = threading.Event()
        self.queue, self.runner = RecordedQueue(), runner or Runner()
        self.paused: set[str] = set()
        self.pauses: list[float] = []
        self.shards = Shards(
            queue=self.queue,
            runner=self.runner,
            paused=self.paused,
            stopping=self.stopping,
            retries=Retries((Unanswered,), self.pauses.append, lambda _: None),
            wait_seconds=5,
            visibility_seconds=60,
        )

    def once(self, receipts: int = 1, body: Mapping[str, Any] | None = BODY) -> list[Any]:
        """Let a message be received; give what was done with it."""
        self.queue.waiting.append(ShardMessage(body, "", "r1", receipts))
        self.shards.once()
        return self.queue.done


@pytest.mark.parametrize("outcome", ["done", "stale"])
def test_a_message_goes_when_its_shard_is_done_here_or_elsewhere(outcome: TaskOutcome) -> None:
    desk = Desk(Runner(outcome))
    assert desk.once() == [("delete", "r1")]
    assert desk.runner.seen == [BODY]


def test_a_shard_that_is_given_back_is_another_worker_s_at_once() -> None:
    assert Desk(Runner("given back")).once() == [("give back", "r1", 0)]


def test_a_shard_comes_again_when_aws_does_not_answer() -> None:
    assert Desk(Runner(Unanswered("states"))).once() == [("give back", "r1", RETRY_SECONDS)]


def test_its_message_is_kept_from_others_while_it_is_worked_on() -> None:
    desk = Desk(Runner(during=lambda keep: keep()))
    assert desk.once() == [("hide", "r1", 60), ("delete", "r1")]
    assert desk.queue.asked == [(5, 60)]


def test_a_worker_says_that_it_works_on_one_only_while_it_does() -> None:
    told: list[int] = []
    desk = Desk(Runner(during=lambda _: told.append(desk.shards.working)))
    desk.once()
    assert (told, desk.shards.working) == ([1], 0)


def test_a_shard_that_its_workers_die_of_is_given_up() -> None:
    desk = Desk()
    assert desk.once(MOST_RECEIPTS) == [("delete", "r1")]
    assert desk.runner.given_up == []
    desk.once(MOST_RECEIPTS + 1)
    assert desk.runner.given_up == [f"{MOST_RECEIPTS} workers have died of it"]
    assert len(desk.runner.seen) == 1


def test_shards_of_a_paused_model_wait_and_charge_nobody() -> None:
    desk = Desk()
    desk.paused.add("textgen")
    assert desk.once() == [("give back", "r1", PAUSED_SECONDS)]
    assert desk.runner.seen == []


def test_a_worker_that_is_being_stopped_takes_no_more() -> None:
    desk = Desk()
    desk.stopping.set()
    assert desk.once() == [("give back", "r1", 0)]
    assert desk.runner.seen == []


def test_a_message_that_is_none_of_ours_is_deleted() -> None:
    desk = Desk()
    assert desk.once(body=None) == [("delete", "r1")]
    assert desk.runner.seen == []


def test_a_queue_that_does_not_answer_is_asked_again() -> None:
    desk = Desk()
    desk.queue.outages = 1
    desk.runner.during = lambda _: desk.stopping.set()
    desk.queue.waiting.append(ShardMessage(BODY, "", "r1", 1))
    desk.shards.work()
    assert desk.pauses == [RETRY_SECONDS]
    assert desk.queue.done == [("delete", "r1")]
