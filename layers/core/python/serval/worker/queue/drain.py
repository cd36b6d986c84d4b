"""Drain: a worker that is being stopped gives back what it does not run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serval.worker.program.threads import Threads
from serval.worker.queue.batch import ReadyBatches
from serval.worker.queue.finish import Finish, FinishSlots
from serval.worker.queue.held import Holdings
from serval.worker.queue.report import Report
from serval.worker.queue.run import Runner
from serval.worker.streams.streams import Streams

SETTLE_SECONDS = 1.0
"""How long the batch in preparation may take to reach a boundary."""
UNWIND_SECONDS = 2.0
"""How long an interrupted run may take to end."""
MARGIN = 0.25
MARGIN_SECONDS = 10.0
"""Time left for what follows the last run: a quarter of the time to stop, at most this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Returns what a worker holds to the queues when it stops.

    After a failure of the worker itself, nothing that has begun is given back, since it may have
    caused the failure. Its lease ends, and it runs again, alone and charged, as after any crash.
    """

    ready: ReadyBatches
    holdings: Holdings
    runner: Runner
    streams: Streams
    finish: Finish
    finish_slots: FinishSlots
    report: Report
    clock: Callable[[], float]

    def drain(self, threads: Threads, fetching: Sequence[str], until: float) -> None:
        """Return everything before ``until``."""
        left = until - self.clock()
        runs_until = until - min(MARGIN * left, MARGIN_SECONDS)
        with self.ready.changed:
            self.ready.changed.notify_all()
        threads.join(min(SETTLE_SECONDS, MARGIN * left), "prepare")
        ready = self.ready.take_all()
        self.finish.give_back(one for one in self.holdings.all() if not one.begun)
        if threads.failure is None:
            self.finish.give_back(one for batch in ready for one in batch.held)
            threads.join(MARGIN * left, "streams")
            self.streams.give_back()
            self.report.report(draining=True)
            self._end_run(runs_until)
            self.finish_slots.await_all(until - self.clock())
            self.finish.give_back(self.holdings.all())
        for name in fetching:
            threads.join(until - self.clock(), name)

    def _end_run(self, until: float) -> None:
        """Wait for the running batch until then, else interrupt it, which gives it back."""
        if not self.ready.await_idle(max(0.0, until - self.clock())):
            self.runner.interrupt()
            self.ready.await_idle(UNWIND_SECONDS)
