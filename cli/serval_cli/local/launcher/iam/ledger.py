"""Record which grants roles use, and what they are refused."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MOST_REFUSALS = 1000
"""Different refusals that are remembered."""


class Grant(NamedTuple):
    """One action on one resource as a statement names them, wildcards included."""

    action: str
    resource: str
    condition: str = ""
    """JSON; empty without a condition."""


class Ledger:
    """Uses and refusals by role name, kept while the stage is up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: defaultdict[str, set[Grant]] = defaultdict(set)
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self.changes = 0

    def use(self, role: str, grants: Iterable[Grant]) -> None:
        """Record that a role needed these grants."""
        with self._lock:
            new = set(grants) - self._used[role]
            self._used[role] |= new
            self.changes += bool(new)

    def refuse(self, role: str, action: str, resource: str) -> None:
        """Record that a role lacked a permission."""
        with self._lock:
            refusal = role, action, resource
            if refusal in self._refused or len(self._refused) < MOST_REFUSALS:
                self._refused[refusal] += 1
                self.changes += 1

    def report(self, granted: Mapping[str, Iterable[Grant]]) -> dict[str, Any]:
        """Compare the granted permissions with the used ones."""
        with self._lock:
            return {
                "roles": {
                    role: {
                        "used": describe_grants(set(grants) & self._used[role]),
                        "unused": describe_grants(set(grants) - self._used[role]),
                    }
                    for role, grants in sorted(granted.items())
                },
                "refused": [
                    {"role": role, "action": action, "resource": resource, "times": times}
                    for (role, action, resource), times in sorted(self._refused.items())
                ],
            }


def describe_grants(grants: Iterable[Grant]) -> list[dict[str, str]]:
    """Describe grants in order."""
    return [
        {name: value for name, value in grant._asdict().items() if value}
        for grant in sorted(grants)
    ]
