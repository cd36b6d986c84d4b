"""Measure both versions of a rollout in the same window, by the metrics of ``infer``."""

from dataclasses import dataclass
from typing import Any, Protocol

from serval.clock import timestamp
from serval.models.route import Track
from serval.rollouts.policy.bounds import quantile_ranks
from serval.rollouts.policy.decide import QUANTILE, TrackMetrics
from serval.rollouts.policy.latencies import PeriodLatencies, quantile_ms
from serval.rollouts.policy.windows import Window


@dataclass(frozen=True, slots=True)
class MetricReading:
    """Metrics of one track in a window."""

    requests: int = 0
    errors: int = 0
    latencies: tuple[PeriodLatencies, ...] = ()


class MetricsReader(Protocol):
    """A source of metrics; ``serval.aws.cloudwatch.rollout_metrics`` reads CloudWatch's."""

    def read(self, model: str, track: Track, window: Window) -> MetricReading:
        """Read a track's metrics, or raise ``ServiceUnavailable``."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics of both versions in the same window."""

    window: Window | None = None
    """None before any metrics are complete."""
    stable: MetricReading = MetricReading()
    candidate: MetricReading = MetricReading()

    @classmethod
    def take(cls, metrics: MetricsReader, model: str, window: Window | None) -> "Measurement":
        """Read the metrics of both tracks, if there is a window."""
        if window is None:
            return cls()
        stable = metrics.read(model, "stable", window)
        return cls(window, stable, metrics.read(model, "candidate", window))

    def report(self, stable: str | None, candidate: str | None) -> dict[str, Any]:
        """Return plain values for the rollout's record, under the given names of the versions."""
        window = self.window and {
            "start": timestamp(self.window.start),
            "end": timestamp(self.window.end),
        }
        return {
            "window": window,
            "stable": track_report(stable, self.stable),
            "candidate": track_report(candidate, self.candidate),
        }


def track_metrics(reading: MetricReading) -> TrackMetrics:
    """Summarise a reading for the policy, with confidence bounds for latencies."""
    count = round(sum(period.count for period in reading.latencies))
    lower, upper = quantile_ranks(QUANTILE, count)
    return TrackMetrics(
        requests=reading.requests,
        errors=reading.errors,
        latency_ms=quantile_ms(reading.latencies, QUANTILE),
        latency_lower_ms=quantile_ms(reading.latencies, lower),
        latency_upper_ms=quantile_ms(reading.latencies, upper),
    )


def track_report(version: str | None, reading: MetricReading) -> dict[str, Any]:
    """Summarise a reading for people; None stands for what was not measured."""
    measured = reading.latencies
    return {
        "version": version,
        "requests": reading.requests,
        "errors": reading.errors,
        "error_percent": (
            round(100 * reading.errors / reading.requests, 3) if reading.requests else None
        ),
        "p50_ms": round(quantile_ms(measured, 0.5), 3) if measured else None,
        "p95_ms": round(quantile_ms(measured, QUANTILE), 3) if measured else None,
    }
