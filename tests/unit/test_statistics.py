"""Statistics in Triton's shape."""

from serval.routes import Route
from serval.statistics import TrackStatistics, model_statistics, tracks_of, version_on


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
