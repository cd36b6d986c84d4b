"""Shards on a fleet's machine, each a message with a task token that has to be kept alive."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from serval.batch.job.layout import ShardItem
from serval.batch.job.lifecycle import JobStopped
from serval.batch.job.ports import JobStore

if TYPE_CHECKING:  # a fleet's worker, which imports this, leaves shards to processes of their own
    from serval.batch.shard.work import ShardWork

CAUSE_CHARACTERS = 2_000
ENDLESS = float("inf")
LOST = "ShardLost"
"""Error of a task whose shard killed its workers; the state machine does not retry it."""
TaskOutcome = Literal["done", "stale", "given back", "unanswered"]
"""What becomes of the message: deleted for the first two, else seen again, after a while if AWS did
not answer."""


def do_nothing() -> None:
    """Do nothing."""


class StaleToken(Exception):
    """Nobody waits for the task any more: it was done elsewhere, timed out, or was stopped."""


class ShardWaits(Exception):
    """The shard's version has no turn on this machine at the moment; it is tried again later."""


class Tasks(Protocol):
    """Tasks that a state machine waits for; each method raises ``StaleToken``."""

    def heartbeat(self, token: str) -> None:
        """Report that the task is being worked on."""

    def succeed(self, token: str, output: Mapping[str, Any]) -> None:
        """End the task as succeeded."""

    def fail(self, token: str, error: str, cause: str) -> None:
        """End the task with an error, which the state machine may retry."""


@dataclass(slots=True)
class TaskHeartbeat:
    """Sends heartbeats while a shard is worked on, however long a block takes."""

    tasks: Tasks
    token: str
    seconds: float
    keep: Callable[[], object] = do_nothing
    """Called with each heartbeat, to keep the message or the machine too."""
    _stale: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def beat(self) -> None:
        """Send a heartbeat.

        Raises
        ------
        StaleToken
            If nobody waits for the task.
        """
        if self._stale.is_set():
            raise StaleToken
        self.tasks.heartbeat(self.token)

    def check(self) -> None:
        """Raise ``StaleToken`` if an earlier heartbeat found that nobody waits for the task."""
        if self._stale.is_set():
            raise StaleToken

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Send heartbeats from a thread until the work is done."""
        thread = threading.Thread(target=self._beat_on, name="heart", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _beat_on(self) -> None:
        while not self._ended.wait(self.seconds):
            try:
                self.keep()
                self.tasks.heartbeat(self.token)
            except StaleToken:
                self._stale.set()
                return
            except Exception:
                # The next heartbeat may get through; if none does, the state machine retries the
                # shard.
                continue


@dataclass(frozen=True, slots=True)
class ShardTasks:
    """Works on shards that come as messages."""

    work: "ShardWork"
    store: JobStore
    tasks: Tasks
    beat_seconds: float
    stopping: Callable[[], bool] = lambda: False
    """Whether the machine is about to be given back; what is written is kept for another one."""

    def run(self, body: Mapping[str, Any], keep: Callable[[], object] = do_nothing) -> TaskOutcome:
        """Work on a message's shard to its end, from where an earlier worker left it."""
        heart = TaskHeartbeat(self.tasks, body["task_token"], self.beat_seconds, keep)
        try:
            item = ShardItem.from_json(body["shard"])
            heart.beat()
            with heart.beating():
                if not self._run(item, heart):
                    return "given back"
            self.tasks.succeed(heart.token, {})
        except StaleToken:
            return "stale"
        except ShardWaits:
            return "unanswered"
        except JobStopped as stopped:
            return fail_task(self.tasks, heart.token, "JobStopped", str(stopped))
        except Exception as error:
            return fail_task(self.tasks, heart.token, type(error).__name__, str(error))
        return "done"

    def _run(self, item: ShardItem, heart: TaskHeartbeat) -> bool:
        """Work until the shard is done; return False if the machine is given back before."""
        known = self.store.shard(item.job, item.index)
        resume = json.loads(known.resume) if known and known.resume else None
        while True:
            went = self.work.run(item, resume, self._remaining, heart.check)
            if not went:
                return True
            if self.stopping():
                return False
            resume = went["resume"]

    def _remaining(self) -> float:
        return 0.0 if self.stopping() else ENDLESS


@dataclass(frozen=True, slots=True)
class LostShards:
    """Fails shards that killed their workers."""

    store: JobStore
    tasks: Tasks

    def give_up(self, body: Mapping[str, Any], reason: str) -> None:
        """Fail a message's shard for good."""
        item = ShardItem.from_json(body["shard"])
        known = self.store.shard(item.job, item.index)
        if known is not None and not known.done:
            self.store.record(replace(known, status="failed", error=reason))
        fail_task(self.tasks, body["task_token"], LOST, reason)


def fail_task(tasks: Tasks, token: str, error: str, cause: str) -> TaskOutcome:
    """End a task with an error; a stale token is no error."""
    try:
        tasks.fail(token, error, cause[:CAUSE_CHARACTERS])
    except StaleToken:
        return "stale"
    return "done"


MEMBERS = {"shard": dict, "model": str, "task_token": str}


def shard_of_message(text: str) -> Mapping[str, Any] | None:
    """Read a message ``{"shard": …, "model": …, "task_token": …}``; None if it is none."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    known = all(isinstance(body.get(name), kind) for name, kind in MEMBERS.items())
    return body if known else None
