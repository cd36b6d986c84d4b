"""Statistics from CloudWatch's metrics."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from serval.aws.cloudwatch.statistics import QUERIES_PER_CALL, CloudWatchStatistics
from serval.errors import ServiceUnavailable
from serval.models.route import Track
from serval.models.statistics import TrackStatistics

NOW = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)
IRIS: tuple[str, Track] = ("iris", "stable")


class RecordedMetrics:
    """Stands for the CloudWatch client: answers each query in two pages of one minute each."""

    def __init__(self, **sums: tuple[float, float]) -> None:
        self.sums = sums
        self.calls: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> "RecordedMetrics":
        assert operation == "get_metric_data"
        return self

    def paginate(self, **call: Any) -> Any:
        self.calls.append(call)
        for minute in (0, 1):
            yield {
                "MetricDataResults": [
                    {
                        "Id": query["Id"],
                        "Timestamps": [NOW - timedelta(minutes=minute + 1)],
                        "Values": [self.sums[query["MetricStat"]["Metric"]["MetricName"]][minute]],
                    }
                    for query in call["MetricDataQueries"]
                ]
            }


class Unreachable:
    def get_paginator(self, operation: str) -> Any:
        raise EndpointConnectionError(endpoint_url="https://monitoring.example")


def statistics(client: Any) -> CloudWatchStatistics:
    return CloudWatchStatistics(lambda: client, lambda: NOW)


def test_every_page_and_minute_is_summed_and_the_last_minute_with_requests_is_kept() -> None:
    client = RecordedMetrics(Requests=(0.0, 5.0), Errors=(0.0, 1.0), Latency=(0.0, 7.5))
    assert statistics(client).of([IRIS]) == {
        IRIS: TrackStatistics(5, 1, 7.5, NOW - timedelta(minutes=2))
    }


def test_the_window_is_three_hours() -> None:
    client = RecordedMetrics(Requests=(1, 0), Errors=(0, 0), Latency=(0, 0))
    statistics(client).of([IRIS])
    assert client.calls[0]["EndTime"] - client.calls[0]["StartTime"] == timedelta(hours=3)


def test_more_queries_than_one_call_takes_are_asked_in_several() -> None:
    client = RecordedMetrics(Requests=(1, 0), Errors=(0, 0), Latency=(0, 0))
    tracks: list[tuple[str, Track]] = [(f"m{number}", "stable") for number in range(200)]
    found = statistics(client).of(tracks)
    assert [len(call["MetricDataQueries"]) for call in client.calls] == [QUERIES_PER_CALL, 102]
    assert all(found[track].requests == 1 for track in tracks)


def test_the_errors_of_steps_are_summed_by_step() -> None:
    client = RecordedMetrics(Errors=(2.0, 1.0))
    assert statistics(client).step_errors("mood", ["review", "verdict"]) == {
        "review": 3,
        "verdict": 3,
    }
    (call,) = client.calls
    asked = [query["MetricStat"]["Metric"] for query in call["MetricDataQueries"]]
    assert [metric["Dimensions"] for metric in asked] == [
        [{"Name": "Model", "Value": "mood"}, {"Name": "Step", "Value": step}]
        for step in ("review", "verdict")
    ]


def test_a_step_that_no_metric_knows_has_no_errors() -> None:
    client = RecordedMetrics(Errors=(0.0, 0.0))
    client.paginate = lambda **_: [{"MetricDataResults": []}]  # type: ignore[method-assign]
    assert statistics(client).step_errors("mood", ["review"]) == {"review": 0}


def test_nothing_is_asked_for_no_track() -> None:
    client = RecordedMetrics()
    assert statistics(client).of([]) == {}
    assert client.calls == []


def test_metrics_that_do_not_answer_are_unavailable() -> None:
    with pytest.raises(ServiceUnavailable, match="did not answer"):
        statistics(Unreachable()).of([IRIS])
