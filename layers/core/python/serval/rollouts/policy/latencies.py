"""Merge the latencies of many periods from the percentiles of each.

Percentiles of periods cannot be merged, but distributions can. Each period's distribution is
rebuilt as a polygon through its percentiles. Their mean, weighted by count, is the distribution of
the whole window, which then has any quantile, however its periods are cut. Percentiles are dense
around the quantile that decides; there the polygon is off by less than one percent of the ranks.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

PERCENTILES = (50.0, 75.0, 85.0, 90.0, 92.5, 94.0, 95.0, 96.0, 97.5, 99.0)
"""CloudWatch returns at most ten at a time, besides minimum and maximum."""
PRECISION_MS = 0.001


@dataclass(frozen=True, slots=True)
class PeriodLatencies:
    """Latencies of one period."""

    count: float
    percentiles_ms: tuple[tuple[float, float], ...]
    """(percentile, latency), from (0, minimum) to (100, maximum)."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """The distribution of a period's latencies: the share below each value."""

    weight: float
    shares: tuple[float, ...]
    values_ms: tuple[float, ...]

    @classmethod
    def of(cls, period: PeriodLatencies) -> "Polygon":
        """Draw the polygon; a percentile below the one before it is raised to that.

        Minimum and maximum of n latencies come as percentiles 0 and 100, but half an nth of the
        distribution lies beyond each.
        """
        points, inside = sorted(period.percentiles_ms), 1 - 1 / max(period.count, 1)
        return cls(
            period.count,
            tuple(0.5 + (percentile / 100 - 0.5) * inside for percentile, _ in points),
            tuple(accumulate((value for _, value in points), max)),
        )

    def below(self, value_ms: float) -> float:
        """Return the share of latencies up to a value."""
        at = bisect_right(self.values_ms, value_ms)
        if at == 0:
            return 0.0
        if at == len(self.values_ms):
            return 1.0
        (left, right), (low, high) = self.values_ms[at - 1 : at + 1], self.shares[at - 1 : at + 1]
        return low + (high - low) * (value_ms - left) / (right - left)


def quantile_ms(periods: Sequence[PeriodLatencies], quantile: float) -> float:
    """Return a quantile (0..1) of all periods together, in milliseconds; 0 without latencies."""
    polygons = [Polygon.of(period) for period in periods if period.count > 0]
    if not polygons:
        return 0.0
    wanted = quantile * sum(polygon.weight for polygon in polygons)
    low = min(polygon.values_ms[0] for polygon in polygons)
    high = max(polygon.values_ms[-1] for polygon in polygons)
    while high - low > PRECISION_MS:
        middle = (low + high) / 2
        if sum(polygon.weight * polygon.below(middle) for polygon in polygons) < wanted:
            low = middle
        else:
            high = middle
    return high
