"""Finish: write results, close rows, delete messages, while the next batch runs."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from serval.worker.program.faults import Retries
from serval.worker.queue.close import Close
from serval.worker.queue.held import Fate, Held, Holdings
from serval.worker.queue.outcomes import (
    Answered,
    Ended,
    Failed,
    GivenBack,
    HandedOver,
    Outcome,
    Unwanted,
    WorkerCounts,
)

BATCHES_FINISHING = 2
"""Batches that may be finishing while the next one runs."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Ends attempts, many at the same time."""

    close: Close
    holdings: Holdings
    counts: WorkerCounts
    retries: Retries
    pool: Executor

    def finish(self, ended: Sequence[Ended]) -> None:
        """End attempts, then settle their messages."""
        fates = list(self.pool.map(self._end, ended))
        self.counts.count_closed(fates.count("delete"))
        self.holdings.settle((one, fate) for (one, _), fate in zip(ended, fates, strict=True))

    def give_back(self, held: Iterable[Held]) -> None:
        """Return requests that this worker will not run; begun attempts are not charged."""
        held = list(held)
        self.finish([(one, GivenBack()) for one in held if one.begun])
        self.holdings.settle((one, 0) for one in held if not one.begun)

    def _end(self, ended: Ended) -> Fate:
        """End one attempt; if AWS does not answer, its lease ends and it is begun again."""
        one, outcome = ended
        what = f"ending {one.message.request_id}"
        try:
            return self.retries.keep_trying(what, lambda: self._fate(one, outcome))
        except self.retries.errors as error:
            self.retries.warn(what, error)
            return "leave"

    def _fate(self, one: Held, outcome: Outcome) -> Fate:
        match outcome:
            case Answered(outputs, _, step_versions):
                return self.close.succeed(one, outputs, step_versions)
            case Failed(error):
                return self.close.fail(one, error)
            case GivenBack(seconds):
                return self.close.give_back(one, seconds)
            case Unwanted():
                return self.close.cancel(one)
            case HandedOver():
                return self.close.hand_over(one)
        return "leave"


@dataclass(frozen=True, slots=True)
class FinishSlots:
    """Slots for batches that finish while others run; a third one waits for a slot."""

    executor: Executor
    """A pool of its own, since its work waits for that of ``Finish``."""
    _slots: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(BATCHES_FINISHING)
    )

    def submit(self, work: Callable[[], object]) -> None:
        """Submit work once a slot is free."""

        def release_after() -> None:
            try:
                work()
            finally:
                self._slots.release()

        self._slots.acquire()
        self.executor.submit(release_after)

    def await_all(self, seconds: float) -> bool:
        """Wait until all slots are free, for good; return False if they are not in time."""
        until = time.monotonic() + seconds
        return all(
            self._slots.acquire(timeout=max(0.0, until - time.monotonic()))
            for _ in range(BATCHES_FINISHING)
        )
