"""Routes: which versions of a model get traffic."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Track = Literal["stable", "candidate"]
Counted = Literal["stable", "candidate", "pinned-stable", "pinned-candidate"]
"""What a request is counted for: the track that the route chose, or apart from what rollouts judge
if its caller named the version: whoever names versions has no vote on one."""
PINNED: dict[Track, Counted] = {"stable": "pinned-stable", "candidate": "pinned-candidate"}
"""Where requests are counted that named the version of a track."""


@dataclass(frozen=True, slots=True)
class Route:
    """Stable version of a model and, during a rollout, a candidate with its percent (0..100)."""

    stable: str
    candidate: str | None = None
    percent: int = 0
    rollout: str = ""
    revision: int = 0
    """Grows by one with every change; writes are conditional on it."""

    def track_for(self, affinity: str) -> Track:
        """Choose the track for an affinity key.

        The share of a key is fixed in one rollout, so while ``percent`` grows a key moves to the
        candidate once, and back only when the percent falls.
        """
        if self.candidate is None or self.percent <= 0:
            return "stable"
        digest = hashlib.blake2b(f"{self.rollout}\0{affinity}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest) * 100 / 2**64
        return "candidate" if share < self.percent else "stable"

    def version_for(self, affinity: str) -> str:
        """Choose the version for an affinity key."""
        chosen = self.candidate if self.track_for(affinity) == "candidate" else None
        return chosen or self.stable

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> "Route":
        """Read the registry's item; numbers may be text, as DynamoDB sends them."""
        return cls(
            stable=attributes["stable"],
            candidate=attributes.get("candidate"),
            percent=int(attributes["percent"]),
            rollout=attributes["rollout"],
            revision=int(attributes["revision"]),
        )
