"""Routes: which versions of a model get traffic."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Track = Literal["stable", "candidate"]
Counted = Literal["stable", "candidate", "pinned-stable", "pinned-candidate"]
"""The track that a request is counted on. One that names its version is counted apart, so that it
has no influence on a rollout."""
PINNED: dict[Track, Counted] = {"stable": "pinned-stable", "candidate": "pinned-candidate"}
"""Track → where requests that name its version are counted."""


@dataclass(frozen=True, slots=True)
class Route:
    """The stable version of a model and, during a rollout, a candidate with its percent."""

    stable: str
    candidate: str | None = None
    percent: int = 0
    rollout: str = ""
    revision: int = 0
    """Grows by one with every write, which is conditional on it."""

    def track_for(self, affinity: str) -> Track:
        """Choose the track for an affinity key.

        A key keeps its place between 0 and 100 for the whole rollout. So it moves to the candidate
        at most once while ``percent`` grows, and back only if that falls.
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
        """Read the registry's item, whose numbers may be text, as DynamoDB sends them."""
        return cls(
            stable=attributes["stable"],
            candidate=attributes.get("candidate"),
            percent=int(attributes["percent"]),
            rollout=attributes["rollout"],
            revision=int(attributes["revision"]),
        )
