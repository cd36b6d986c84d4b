"""Statistics in Triton's shape."""

from datetime import UTC, datetime

from serval.routes import Route
from serval.statistics import (
    TrackStatistics,
    both_counts,
    model_statistics,
    tracks_of,
    version_on,
)


def test_a_route_without_a_candidate_has_one_track() -> None:
    assert tracks_of("iris", Route("1")) == [("iris", "stable")]


def test_a_rollout_has_two_tracks_of_two_versions() -> None:
    route = Route("1", candidate="2", percent=10)
    assert [version_on(track, route) for _, track in tracks_of("iris", route)] == ["1", "2"]


def test_errors_that_are_counted_before_their_requests_make_no_negative_count() -> None:
    entry = model_statistics("iris", "1", TrackStatistics(requests=1, errors=2))
    assert entry["inference_count"] == 0


def test_every_duration_has_a_count_and_nanoseconds() -> None:
    entry = model_statistics("iris", "1", TrackStatistics(requests=2, latency_ms=3.0))
    assert entry["inference_stats"]["success"] == {"count": 2, "ns": 3_000_000}
    assert all(duration.keys() == {"count", "ns"} for duration in entry["inference_stats"].values())


def test_what_named_its_version_is_added_to_what_the_route_chose() -> None:
    earlier, later = datetime(2026, 11, 21, 10, tzinfo=UTC), datetime(2026, 11, 21, 11, tzinfo=UTC)
    routed, pinned = TrackStatistics(3, 1, 20.0, later), TrackStatistics(2, 0, 5.0, earlier)
    assert both_counts("candidate") == ("candidate", "pinned-candidate")
    assert routed.with_others(pinned) == TrackStatistics(5, 1, 25.0, later)
    assert routed.with_others(TrackStatistics()) == routed
