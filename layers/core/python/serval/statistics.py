"""Statistics of the last hours: where they come from, and Triton's shape for them.

Specification: Triton's ``extension_statistics.md``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from serval.routes import PINNED, Counted, Route, Track

WINDOW = timedelta(hours=3)
"""Counts and durations are sums over this much time before now."""
UNMEASURED = (
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
)
"""Parts of a duration that Triton names and nobody here measures."""


@dataclass(frozen=True, slots=True)
class TrackStatistics:
    """What a track of a model did within the window."""

    requests: int = 0
    errors: int = 0
    latency_ms: float = 0.0
    """Sum over the requests that were answered."""
    last: datetime | None = None
    """When the last requests were counted, to the minute; None: there were none."""

    def with_others(self, other: "TrackStatistics") -> "TrackStatistics":
        """Add what was counted elsewhere for the same version."""
        return TrackStatistics(
            self.requests + other.requests,
            self.errors + other.errors,
            self.latency_ms + other.latency_ms,
            max((one for one in (self.last, other.last) if one), default=None),
        )


class ModelStatistics(Protocol):
    """Where statistics come from; ``serval.aws.statistics`` reads the metrics."""

    def of(
        self, tracks: Sequence[tuple[str, Counted]]
    ) -> Mapping[tuple[str, Counted], TrackStatistics]:
        """Give the statistics of each (model, track), or raise ``StatisticsUnavailable``."""


def tracks_of(model: str, route: Route) -> list[tuple[str, Track]]:
    """Name the tracks that a route has."""
    stable: list[tuple[str, Track]] = [(model, "stable")]
    return stable if route.candidate is None else [*stable, (model, "candidate")]


def both_counts(track: Track) -> tuple[Counted, Counted]:
    """Name where the requests of a track's version are counted: the routed, and the pinned ones."""
    return track, PINNED[track]


def version_on(track: Track, route: Route) -> str:
    """Give the version that a track stands for now."""
    return route.candidate if track == "candidate" and route.candidate else route.stable


def model_statistics(model: str, version: str, track: TrackStatistics) -> dict[str, Any]:
    """Give a version's member of ``model_stats``.

    A request is one inference and one execution. What part of its duration is queueing or
    computing is not kept, nor is the duration of failed requests: those members are zero.
    """
    succeeded = max(track.requests - track.errors, 0)
    return {
        "name": model,
        "version": version,
        "last_inference": int(track.last.timestamp() * 1000) if track.last else 0,
        "inference_count": succeeded,
        "execution_count": succeeded,
        "inference_stats": {
            "success": {"count": succeeded, "ns": round(track.latency_ms * 1e6)},
            "fail": {"count": track.errors, "ns": 0},
            **{part: {"count": 0, "ns": 0} for part in UNMEASURED},
        },
        "batch_stats": [],
    }
