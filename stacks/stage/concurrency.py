"""Share out an account's concurrency, so that inference always finds room.

All functions of an account share its concurrency: usually 1,000, and 10 in a new account. Shards
and waiting callers run long, so they are limited to a share, and ``infer`` has the rest. Reserved
concurrency must leave 100 unreserved; in a smaller account only the limits of maps, event source
mappings and places apply.
"""

from dataclasses import dataclass

NEW_ACCOUNT = 10
LEFT = 100
"""Concurrency that AWS requires to stay unreserved."""
MOST_SCANS, MOST_CALLBACKS, LEAST_MAPPED = 40, 10, 2
"""The minimum for a queue's mapping is 2."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The shares of an account."""

    quota: int = NEW_ACCOUNT
    """The account's Lambda quota "Concurrent executions" in the region."""

    @property
    def reserved_shards(self) -> int | None:
        """Reserved concurrency of the shards of all jobs; None: nothing is reserved."""
        share = self.quota * 2 // 5
        return share if self.quota - share >= LEFT else None

    @property
    def shards(self) -> int:
        """Shards of one job that run at once."""
        return self.reserved_shards or max(1, self.quota // 4)

    @property
    def scans(self) -> int:
        """Ranges of one job that are scanned at once."""
        return min(MOST_SCANS, max(1, self.quota // 4))

    @property
    def waiting(self) -> int:
        """Callers that wait at once for fleets."""
        return max(1, self.quota // 5)

    @property
    def answers(self) -> int:
        """Async requests of models on Lambda that run at once."""
        return max(LEAST_MAPPED, self.quota // 20)

    @property
    def callbacks(self) -> int:
        """Callbacks that are delivered at once."""
        return max(LEAST_MAPPED, min(MOST_CALLBACKS, self.quota // 5))
