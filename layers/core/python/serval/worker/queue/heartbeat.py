"""Heartbeat: rows say that their runner is alive, and messages stay hidden from others."""

from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

from serval.clock import Clock
from serval.requests import lifecycle
from serval.requests.ports import RequestStore, change
from serval.worker.program.faults import Retries
from serval.worker.queue.close import Close
from serval.worker.queue.held import Held, Holdings


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Extends the lease of what has begun, and the visibility of all that is held."""

    store: RequestStore
    close: Close
    holdings: Holdings
    retries: Retries
    pool: Executor
    clock: Clock
    lease: timedelta

    def beat(self) -> None:
        """Say once that the worker is alive; it has until the lease ends to say so again."""
        list(self.pool.map(self._extend, self.holdings.list_begun()))
        try:
            self.holdings.hide(int(self.lease.total_seconds()))
        except self.retries.errors as error:
            self.retries.warn("hiding messages", error)

    def _extend(self, one: Held) -> None:
        """Extend a lease; what the row says meanwhile, as a cancellation, is seen by the way."""
        try:
            row = change(
                self.store,
                one.known,
                lambda now: (
                    lifecycle.extend(now, self.clock(), self.lease)
                    if self.close.owns(one, now)
                    else None
                ),
            )
            one.row = row or self.store.find(one.known.id) or one.row
        except self.retries.errors as error:
            self.retries.warn(f"extending {one.known.id}", error)
