"""Statistics in Triton's shape."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from serval.errors import ServiceUnavailable
from serval.models import statistics
from serval.models.route import Counted, Route
from serval.models.statistics import (
    RememberedStatistics,
    TrackStatistics,
    counted_tracks,
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


def test_calls_with_kept_answers_are_successes_that_ran_nothing() -> None:
    first, last = datetime(2026, 11, 21, 10, tzinfo=UTC), datetime(2026, 11, 21, 11, tzinfo=UTC)
    kept = TrackStatistics(requests=5, errors=1, latency_ms=2.0, last=last)
    entry = model_statistics("iris", "1", TrackStatistics(3, 1, 20.0, first), kept)
    assert (entry["inference_count"], entry["execution_count"]) == (2, 2)
    assert entry["inference_stats"]["cache_hit"] == {"count": 4, "ns": 2_000_000}
    assert entry["inference_stats"]["success"] == {"count": 6, "ns": 22_000_000}
    assert entry["inference_stats"]["fail"] == {"count": 1, "ns": 0}, "the cache's are no call's"
    assert entry["last_inference"] == int(last.timestamp() * 1000)


def test_what_named_its_version_is_added_to_what_the_route_chose() -> None:
    earlier, later = datetime(2026, 11, 21, 10, tzinfo=UTC), datetime(2026, 11, 21, 11, tzinfo=UTC)
    routed, pinned = TrackStatistics(3, 1, 20.0, later), TrackStatistics(2, 0, 5.0, earlier)
    assert counted_tracks("candidate") == ("candidate", "pinned-candidate")
    assert routed + pinned == TrackStatistics(5, 1, 25.0, later)
    assert routed + TrackStatistics() == routed


class Metered:
    """Statistics whose every reading is counted, and gives other figures."""

    def __init__(self) -> None:
        self.read: list[tuple[str, Counted]] = []
        self.down = False

    def of(
        self, tracks: Sequence[tuple[str, Counted]]
    ) -> Mapping[tuple[str, Counted], TrackStatistics]:
        if self.down:
            raise ServiceUnavailable("the metrics did not answer")
        self.read += tracks
        return {track: TrackStatistics(requests=len(self.read)) for track in tracks}


IRIS: tuple[str, Counted] = ("iris", "stable")
CANDIDATE: tuple[str, Counted] = ("iris", "candidate")
DIGITS: tuple[str, Counted] = ("digits", "stable")


def test_statistics_are_read_once_a_minute() -> None:
    source, now = Metered(), [0.0]
    remembered = RememberedStatistics(source, lambda: now[0])

    first = remembered.of([IRIS])
    now[0] = 59.9
    assert remembered.of([IRIS]) == first
    assert source.read == [IRIS]
    now[0] = 60.0
    assert remembered.of([IRIS]) != first
    assert source.read == [IRIS, IRIS]


def test_each_track_has_figures_of_its_own_in_whichever_order_it_is_asked_for() -> None:
    for order in ([IRIS, CANDIDATE, DIGITS], [DIGITS, CANDIDATE, IRIS]):
        source = Metered()
        remembered = RememberedStatistics(source, lambda: 0.0)
        alone = {track: remembered.of([track])[track] for track in order}
        assert len({figures.requests for figures in alone.values()}) == 3
        assert remembered.of(order) == alone
        assert source.read == order


def test_metrics_that_do_not_answer_are_asked_again() -> None:
    source = Metered()
    remembered = RememberedStatistics(source, lambda: 0.0)
    source.down = True
    with pytest.raises(ServiceUnavailable):
        remembered.of([IRIS])
    source.down = False
    assert remembered.of([IRIS, DIGITS]).keys() == {IRIS, DIGITS}


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "REMEMBERED_TRACKS", 3)
    remembered = RememberedStatistics(Metered(), lambda: 0.0)
    for number in range(10):
        assert len(remembered.of([IRIS, (f"m{number}", "stable")])) == 2
    assert len(remembered._known) <= 3
