"""How many invocations of what may run at once, so that inference always finds room.

An account shares its concurrency among all functions: 1,000 as a rule, 10 while it is new. What
runs long, shards and callers who wait, is held to a share of it, so that ``infer`` has the rest.
Reserving needs 100 that stay unreserved; a smaller account holds to the shares by the limits of
maps, mappings and places alone.
"""

from dataclasses import dataclass

NEW_ACCOUNT = 10
LEFT = 100
"""What AWS wants an account to leave unreserved."""
MOST_SCANS, MOST_CALLBACKS, LEAST_CALLBACKS = 40, 10, 2
"""A mapping of a queue takes 2 at the least."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The shares of an account."""

    quota: int = NEW_ACCOUNT
    """Lambda's "Concurrent executions" of the account in the region."""

    @property
    def reserved_shards(self) -> int | None:
        """Give what shards of all jobs together have, and no more; None: nothing is reserved."""
        share = self.quota * 2 // 5
        return share if self.quota - share >= LEFT else None

    @property
    def shards(self) -> int:
        """Give how many shards of one job run at once."""
        return self.reserved_shards or max(1, self.quota // 4)

    @property
    def scans(self) -> int:
        """Give how many ranges of one job are scanned at once."""
        return min(MOST_SCANS, max(1, self.quota // 4))

    @property
    def waiting(self) -> int:
        """Give how many callers wait at once for what fleets do."""
        return max(1, self.quota // 5)

    @property
    def callbacks(self) -> int:
        """Give how many callbacks are delivered at once."""
        return max(LEAST_CALLBACKS, min(MOST_CALLBACKS, self.quota // 5))
