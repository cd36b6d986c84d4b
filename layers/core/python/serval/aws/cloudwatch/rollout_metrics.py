"""Metrics of both versions of a rollout, from CloudWatch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from serval.errors import ServiceUnavailable
from serval.models.metrics import NAMESPACE
from serval.models.route import Track
from serval.rollouts.policy.latencies import PERCENTILES, PeriodLatencies
from serval.rollouts.policy.measurement import MetricReading
from serval.rollouts.policy.windows import Window

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

STATISTICS = {f"p{percentile:g}": percentile for percentile in PERCENTILES}


@dataclass(frozen=True, slots=True)
class CloudWatchRolloutMetrics:
    """``MetricsReader`` from CloudWatch: four calls for a track, at $0.01 per thousand."""

    client: "CloudWatchClient"

    def read(self, model: str, track: Track, window: Window) -> MetricReading:
        """Read a track's metrics; missing ones are zero."""
        asked = {
            "Namespace": NAMESPACE,
            "Dimensions": [{"Name": "Model", "Value": model}, {"Name": "Track", "Value": track}],
            "StartTime": window.start,
            "EndTime": window.end,
            "Period": window.period_seconds,
        }
        counts = self._periods(asked, "Latency", Statistics=["SampleCount", "Minimum", "Maximum"])
        shapes = self._periods(asked, "Latency", ExtendedStatistics=list(STATISTICS))
        return MetricReading(
            requests=self._sum(asked, "Requests"),
            errors=self._sum(asked, "Errors"),
            latencies=tuple(
                latencies(counted, shapes.get(moment, {})) for moment, counted in counts.items()
            ),
        )

    def _sum(self, asked: Mapping[str, Any], metric: str) -> int:
        periods = self._periods(asked, metric, Statistics=["Sum"])
        total: float = sum(period["Sum"] for period in periods.values())
        return round(total)

    def _periods(
        self, asked: Mapping[str, Any], metric: str, **statistics: list[str]
    ) -> dict[datetime, Mapping[str, Any]]:
        """Read one kind of statistics of a metric; CloudWatch takes one kind in a call."""
        try:
            answer = self.client.get_metric_statistics(
                **{**asked, "MetricName": metric, **statistics}
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"the metrics did not answer: {error}") from error
        return {point["Timestamp"]: point for point in answer["Datapoints"]}


def latencies(counted: Mapping[str, Any], shape: Mapping[str, Any]) -> PeriodLatencies:
    """Combine both answers about a period."""
    percentiles = shape.get("ExtendedStatistics", {})
    known = [(STATISTICS[name], value) for name, value in percentiles.items()]
    return PeriodLatencies(
        counted["SampleCount"], ((0.0, counted["Minimum"]), *known, (100.0, counted["Maximum"]))
    )
