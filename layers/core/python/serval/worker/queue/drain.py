"""Drain: a worker that is being stopped gives back at once what it does not run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serval.worker.program.threads import Threads
from serval.worker.queue.batch import ReadyBatches
from serval.worker.queue.finish import Finish, FinishSlots
from serval.worker.queue.held import Holdings
from serval.worker.queue.report import Report
from serval.worker.queue.run import Runner

SETTLE_SECONDS = 1.0
"""How long what is being prepared may take to come to a boundary."""
UNWIND_SECONDS = 2.0
"""How long a run that was interrupted may take to end."""
MARGIN = 0.25
MARGIN_SECONDS = 10.0
"""Of the time to stop in, so much is left for what follows the last run: a quarter, or this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The way out; what others begin meanwhile they give back themselves.

    After a failure of the worker's own, nothing that has begun is given back: it may be what the
    worker died of. Its lease ends, and it is begun again, alone and charged, as after any crash.
    """

    ready: ReadyBatches
    holdings: Holdings
    runner: Runner
    finish: Finish
    finish_slots: FinishSlots
    report: Report
    clock: Callable[[], float]

    def drain(self, threads: Threads, fetching: Sequence[str], until: float) -> None:
        """Let go of everything, before ``until``."""
        left = until - self.clock()
        runs_until = until - min(MARGIN * left, MARGIN_SECONDS)
        with self.ready.changed:
            self.ready.changed.notify_all()
        threads.join(min(SETTLE_SECONDS, MARGIN * left), "prepare")
        ready = self.ready.take_all()
        self.finish.give_back(one for one in self.holdings.all() if not one.begun)
        if threads.failure is None:
            self.finish.give_back(one for batch in ready for one in batch.held)
            self.report.report(draining=True)
            self._end_run(runs_until)
            self.finish_slots.await_all(until - self.clock())
            self.finish.give_back(self.holdings.all())
        for name in fetching:
            threads.join(until - self.clock(), name)

    def _end_run(self, until: float) -> None:
        """Let the running batch end until then; else interrupt it, which gives it back."""
        if not self.ready.await_idle(max(0.0, until - self.clock())):
            self.runner.interrupt()
            self.ready.await_idle(UNWIND_SECONDS)
