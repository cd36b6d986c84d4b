"""Quantiles of many periods, from the percentiles of each."""

import random
from collections.abc import Sequence

import pytest

from serval.rollouts.policy.latencies import PERCENTILES, PeriodLatencies, quantile_ms


def period(values: Sequence[float]) -> PeriodLatencies:
    """Summarise latencies as CloudWatch does, linear between the nearest ranks."""
    ordered = sorted(values)

    def percentile(wanted: float) -> float:
        rank = wanted / 100 * (len(ordered) - 1)
        low = int(rank)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (rank - low) * (ordered[high] - ordered[low])

    return PeriodLatencies(
        len(ordered), tuple((one, percentile(one)) for one in (0.0, *PERCENTILES, 100.0))
    )


@pytest.mark.parametrize(("periods", "each"), [(1, 2000), (10, 200), (30, 20), (30, 7)])
@pytest.mark.parametrize("quantile", [0.925, 0.95, 0.975])
def test_however_it_is_cut_a_window_has_the_quantiles_of_its_values(
    periods: int, each: int, quantile: float
):
    chance = random.Random(f"{periods} {quantile}")
    cut = [[chance.lognormvariate(3, 0.4) for _ in range(each)] for _ in range(periods)]
    values = sorted(value for part in cut for value in part)

    found = quantile_ms([period(part) for part in cut], quantile)

    rank = sum(value <= found for value in values) / len(values)
    assert rank == pytest.approx(quantile, abs=0.01)


def test_periods_count_by_their_requests():
    fast, slow = period([10.0] * 900), period([100.0] * 100)
    assert quantile_ms([fast, slow], 0.85) == pytest.approx(10, abs=0.01)
    assert quantile_ms([fast, slow], 0.95) == pytest.approx(100, abs=0.01)


def test_single_values_and_equal_ones_are_themselves():
    assert quantile_ms([period([7.0])], 0.95) == 7.0
    assert quantile_ms([period([7.0] * 5)], 0.2) == 7.0
    assert quantile_ms([], 0.95) == 0.0
    assert quantile_ms([PeriodLatencies(0, ())], 0.95) == 0.0


def test_a_period_without_percentiles_is_taken_as_even():
    even = PeriodLatencies(1e9, ((0, 0.0), (100, 100.0)))
    assert quantile_ms([even], 0.25) == pytest.approx(25, abs=0.01)


def test_estimates_that_cross_do_no_harm():
    crossed = PeriodLatencies(10, ((0, 5.0), (50, 4.0), (95, 9.0), (99, 8.5), (100, 9.0)))
    assert 5.0 <= quantile_ms([crossed], 0.5) <= quantile_ms([crossed], 0.99) <= 9.001
