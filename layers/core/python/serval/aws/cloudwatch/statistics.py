"""Statistics of models, from the metrics that ``infer`` writes to CloudWatch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from serval.clock import Clock, utc_now
from serval.errors import ServiceUnavailable
from serval.models.metrics import METRICS, NAMESPACE
from serval.models.route import Counted
from serval.models.statistics import WINDOW, TrackStatistics

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

PERIOD_SECONDS = 60
QUERIES_PER_CALL = 500 // len(METRICS) * len(METRICS)
"""CloudWatch takes 500 queries; a track's metrics stay together."""

Sums = dict[str, tuple[float, datetime | None]]
"""Metric → its sum and the last minute that has a value."""


@dataclass(frozen=True, slots=True)
class CloudWatchStatistics:
    """``ModelStatistics`` from CloudWatch; each metric read costs $0.00001."""

    client: Callable[[], "CloudWatchClient"]
    """Returns the client, which is made late: it takes a while and only statistics need it."""
    clock: Clock = utc_now

    def of(
        self, tracks: Sequence[tuple[str, Counted]]
    ) -> Mapping[tuple[str, Counted], TrackStatistics]:
        """Sum the window's metrics of each (model, track)."""
        queries = [
            sum_query(f"q{position}_{metric.lower()}", metric, {"Model": model, "Track": track})
            for position, (model, track) in enumerate(tracks)
            for metric in METRICS
        ]
        sums = self._sums(queries)
        return {track: track_statistics(sums, f"q{at}") for at, track in enumerate(tracks)}

    def step_errors(self, model: str, steps: Sequence[str]) -> Mapping[str, int]:
        """Sum up in how many runs each step of a pipeline failed, within the window.

        Raises
        ------
        ServiceUnavailable
            If the metrics do not answer.
        """
        names = {step: f"q{position}" for position, step in enumerate(steps)}
        sums = self._sums(
            [
                sum_query(name, "Errors", {"Model": model, "Step": step})
                for step, name in names.items()
            ]
        )
        return {step: round(sums[name][0]) if name in sums else 0 for step, name in names.items()}

    def _sums(self, queries: Sequence["MetricDataQueryTypeDef"]) -> Sums:
        sums: Sums = {}
        for start in range(0, len(queries), QUERIES_PER_CALL):
            for result in self._results(queries[start : start + QUERIES_PER_CALL]):
                add_result(sums, result)
        return sums

    def _results(self, queries: Sequence["MetricDataQueryTypeDef"]) -> Iterator[Mapping[str, Any]]:
        now = self.clock()
        try:
            pages = (
                self.client()
                .get_paginator("get_metric_data")
                .paginate(MetricDataQueries=queries, StartTime=now - WINDOW, EndTime=now)
            )
            for page in pages:
                yield from page["MetricDataResults"]
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"the metrics did not answer: {error}") from error


def sum_query(name: str, metric: str, of: Mapping[str, str]) -> "MetricDataQueryTypeDef":
    """Build the query, under this name, for a metric's sum in each minute, of these dimensions."""
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": metric,
                "Dimensions": [{"Name": key, "Value": value} for key, value in of.items()],
            },
            "Period": PERIOD_SECONDS,
            "Stat": "Sum",
        },
    }


def add_result(sums: Sums, result: Mapping[str, Any]) -> None:
    """Add a page of a query's result."""
    total, last = sums.get(result["Id"], (0.0, None))
    counted = [
        moment
        for moment, value in zip(result["Timestamps"], result["Values"], strict=True)
        if value > 0
    ]
    moments = [*counted, *([last] if last else [])]
    sums[result["Id"]] = (total + sum(result["Values"]), max(moments, default=None))


def track_statistics(sums: Sums, prefix: str) -> TrackStatistics:
    """Collect a track's sums; a missing metric is zero."""
    nothing: tuple[float, datetime | None] = (0.0, None)
    requests, last = sums.get(f"{prefix}_requests", nothing)
    errors, _ = sums.get(f"{prefix}_errors", nothing)
    latency_ms, _ = sums.get(f"{prefix}_latency", nothing)
    return TrackStatistics(round(requests), round(errors), latency_ms, last)
