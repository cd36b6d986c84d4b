"""The loops of a worker: fetch, prepare, run, write streams, beat, report, watch."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from serval.models.route import Track
from serval.worker.program.machine import SpotNotices
from serval.worker.program.threads import Threads
from serval.worker.queue.batch import Batch, ReadyBatches
from serval.worker.queue.drain import Drain
from serval.worker.queue.fetch import Fetch
from serval.worker.queue.finish import Finish, FinishSlots
from serval.worker.queue.heartbeat import Heartbeat
from serval.worker.queue.outcomes import WorkerCounts
from serval.worker.queue.prepare import Prepare
from serval.worker.queue.report import Report
from serval.worker.queue.run import Runner
from serval.worker.queue.schedule import TurnSchedule
from serval.worker.shards.shards import Shards
from serval.worker.streams.streams import Streams

IDLE_SECONDS = 1.0
"""How long a loop waits for work before it checks whether to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often a worker does its regular work, and how long it may take to stop."""

    beat_seconds: float
    report_seconds: float
    notice_seconds: float
    stop_seconds: float


@dataclass(slots=True, kw_only=True)
class Worker:
    """A fleet worker, which works until it is stopped or one of its loops fails."""

    models: Sequence[str]
    queues: Sequence[tuple[str, Track]]
    """The queues that it may read: a model's own, and, where there is one, its candidate's."""
    schedule: TurnSchedule
    ready: ReadyBatches
    fetch: Fetch
    prepare: Prepare
    runner: Runner
    streams: Streams
    shards: Shards | None
    """None: this worker takes no batch jobs."""
    finish: Finish
    heartbeat: Heartbeat
    report: Report
    counts: WorkerCounts
    finish_slots: FinishSlots
    drain: Drain
    notices: SpotNotices | None
    """None: the machine is not reclaimed."""
    stopping: threading.Event
    intervals: Intervals
    clock: Callable[[], float]
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: Threads = field(init=False)

    def __post_init__(self) -> None:
        self._threads = Threads(self.stop)

    def work(self) -> bool:
        """Work until ``stop`` is called; return False if one of the loops has failed."""
        self.report.report()
        self.prepare.learn(self.models)
        loops: dict[str, Callable[[], object]] = {
            "prepare": self._prepare,
            "run": self._run,
            "streams": partial(self.streams.work, self.stopping.is_set),
            "beat": partial(self._every, self.intervals.beat_seconds, self.heartbeat.beat),
            "report": partial(self._every, self.intervals.report_seconds, self._report),
            "watch": self._watch,
        }
        fetching: dict[str, Callable[[], object]] = {
            f"fetch {model} {track}": partial(self.fetch.run, model, track)
            for model, track in self.queues
        }
        if self.shards is not None:
            fetching["shards"] = self.shards.work
        for name, loop in (loops | fetching).items():
            self._threads.start(name, loop)
        self.stopping.wait()
        until = self.clock() + self.intervals.stop_seconds
        self.drain.drain(self._threads, tuple(fetching), until)
        self._ended.set()
        self._threads.join(IDLE_SECONDS, "report")
        self.report.leave()
        return self._threads.failure is None

    def stop(self) -> None:
        """Begin to stop; safe to call from any thread, and more than once."""
        self.stopping.set()

    def _prepare(self) -> None:
        """Prepare batches, as the models' turns come."""
        while not self.stopping.is_set():
            turn = self.schedule.await_turn(IDLE_SECONDS)
            if turn is None:
                continue
            started = self.clock()
            batch = self.prepare.prepare(turn)
            took = self.clock() - started
            if not self.schedule.offer(turn, batch, took) and batch is not None:
                self.finish.give_back(batch.held)

    def _run(self) -> None:
        """Run what is prepared."""
        while not self.stopping.is_set():
            batch = self.schedule.await_batch(IDLE_SECONDS)
            if batch is not None:
                self._run_one(batch)

    def _run_one(self, batch: Batch) -> None:
        ended = self.runner.run(batch)
        self.counts.count_run(ended, self.runner.run_seconds)
        self.schedule.settle(batch.turn, self.runner.run_seconds)
        self.finish_slots.submit(self._threads.guard(partial(self.finish.finish, ended)))
        self.ready.end()

    def _every(self, seconds: float, act: Callable[[], object]) -> None:
        """Call a function at an interval until the worker has ended."""
        while not self._ended.wait(seconds):
            act()

    def _report(self) -> None:
        self.report.report(draining=self.stopping.is_set())

    def _watch(self) -> None:
        """Stop when the machine is about to be reclaimed."""
        while self.notices is not None and not self.stopping.wait(self.intervals.notice_seconds):
            if self.notices.due():
                self.stop()
