"""Which versions the steps of a pipeline asked in a job.

The pipeline's own version is the job's. Its steps follow their models, so a rollout that ends while
the job runs gives a step two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

AskedPairs = tuple[tuple[str, str], ...]
"""Each step, or part of one, with a version that it asked; sorted, none twice."""


@dataclass(slots=True)
class AskedVersions:
    """What steps have asked so far; read while another thread adds."""

    pairs: frozenset[tuple[str, str]] = frozenset()

    def add(self, versions: Mapping[str, str]) -> None:
        """Add what the steps of one run asked: step → version."""
        if not versions.items() <= self.pairs:
            self.pairs |= versions.items()


def join_asked(*several: Iterable[tuple[str, str]]) -> AskedPairs:
    """Join what several shards, or invocations of one, have asked."""
    pairs = {(step, version) for asked in several for step, version in asked}
    return tuple(sorted(pairs, key=lambda pair: (pair[0], len(pair[1]), pair[1])))


def describe_asked(asked: AskedPairs) -> dict[str, list[str]]:
    """Describe what was asked: step → its versions, the oldest first."""
    found: dict[str, list[str]] = {}
    for step, version in asked:
        found.setdefault(step, []).append(version)
    return found
