"""Heartbeat: leases are extended, and messages stay hidden from other workers."""

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
    """Extends the leases of begun requests, and hides all messages that are held."""

    store: RequestStore
    close: Close
    holdings: Holdings
    retries: Retries
    pool: Executor
    clock: Clock
    lease: timedelta

    def beat(self) -> None:
        """Extend all leases, and hide all messages, once."""
        list(self.pool.map(self._extend, self.holdings.list_begun()))
        try:
            self.holdings.hide(int(self.lease.total_seconds()))
        except self.retries.errors as error:
            self.retries.warn("hiding messages", error)

    def _extend(self, one: Held) -> None:
        """Extend a lease; this also reads whether the request was cancelled meanwhile."""
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
