"""Statistics of the last hours, in Triton's shape.

Specification: Triton's ``extension_statistics.md``.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from serval.models.route import PINNED, Counted, Route, Track

WINDOW = timedelta(hours=3)
"""Counts and durations are sums over this time before now."""
REMEMBERED_SECONDS = 60.0
REMEMBERED_TRACKS = 4096
UNMEASURED = (
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_miss",
)
"""Parts of a duration that Triton names and Serval does not measure."""


@dataclass(frozen=True, slots=True)
class TrackStatistics:
    """Sums over a track of a model within the window."""

    requests: int = 0
    errors: int = 0
    latency_ms: float = 0.0
    """Sum over the requests that were answered."""
    last: datetime | None = None
    """Time of the last request, to the minute; None without requests."""

    def __add__(self, other: "TrackStatistics") -> "TrackStatistics":
        """Add the sums of another track of the same version."""
        return TrackStatistics(
            self.requests + other.requests,
            self.errors + other.errors,
            self.latency_ms + other.latency_ms,
            max((one for one in (self.last, other.last) if one), default=None),
        )


NOTHING = TrackStatistics()


class ModelStatistics(Protocol):
    """A source of statistics; ``serval.aws.cloudwatch.statistics`` reads the metrics."""

    def of(
        self, tracks: Sequence[tuple[str, Counted]]
    ) -> Mapping[tuple[str, Counted], TrackStatistics]:
        """Read the statistics of each (model, track), or raise ``ServiceUnavailable``."""


@dataclass(slots=True)
class RememberedStatistics:
    """A cache before another source, which reads each track at most once a minute to save money.

    All callers share it: their scope is checked before.
    """

    source: ModelStatistics
    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, Counted], tuple[float, TrackStatistics]] = field(default_factory=dict)

    def of(
        self, tracks: Sequence[tuple[str, Counted]]
    ) -> Mapping[tuple[str, Counted], TrackStatistics]:
        """Read the statistics of each (model, track), or raise ``ServiceUnavailable``."""
        now = self.clock()
        old = [track for track in tracks if not self._fresh(track, now)]
        if old:
            found = self.source.of(old)
            if len(self._known) + len(found) > REMEMBERED_TRACKS:
                self._known = {track: self._known[track] for track in tracks if track not in found}
            self._known |= {track: (now, statistics) for track, statistics in found.items()}
        return {track: self._known[track][1] for track in tracks}

    def _fresh(self, track: tuple[str, Counted], now: float) -> bool:
        known = self._known.get(track)
        return known is not None and now - known[0] < REMEMBERED_SECONDS


def tracks_of(model: str, route: Route) -> list[tuple[str, Track]]:
    """Name the tracks that a route has."""
    stable: list[tuple[str, Track]] = [(model, "stable")]
    return stable if route.candidate is None else [*stable, (model, "candidate")]


def counted_tracks(track: Track) -> tuple[Counted, Counted]:
    """Name where a track's routed requests are counted, and where its pinned ones."""
    return track, PINNED[track]


def version_on(track: Track, route: Route) -> str:
    """Return the version of a track."""
    return route.candidate if track == "candidate" and route.candidate else route.stable


def model_statistics(
    model: str, version: str, track: TrackStatistics, kept: TrackStatistics = NOTHING
) -> dict[str, Any]:
    """Write a version's member of ``model_stats``.

    A request is one inference and one execution, unless its answer had been kept. The parts of its
    duration and the duration of failed requests are not recorded, so those members are zero.

    Parameters
    ----------
    kept
        Calls whose answers had been kept; an error among them is one of the cache, and no call.
    """
    succeeded, hits = (max(one.requests - one.errors, 0) for one in (track, kept))
    last = (track + kept).last
    kept_ns = round(kept.latency_ms * 1e6)
    return {
        "name": model,
        "version": version,
        "last_inference": int(last.timestamp() * 1000) if last else 0,
        "inference_count": succeeded,
        "execution_count": succeeded,
        "inference_stats": {
            "success": {
                "count": succeeded + hits,
                "ns": round(track.latency_ms * 1e6) + kept_ns,
            },
            "fail": {"count": track.errors, "ns": 0},
            "cache_hit": {"count": hits, "ns": kept_ns},
            **{part: {"count": 0, "ns": 0} for part in UNMEASURED},
        },
        "batch_stats": [],
    }
