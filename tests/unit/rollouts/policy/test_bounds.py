"""Confidence bounds: right about as often as they say, and never outside what they bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.rollouts.policy.bounds import CONFIDENCE, quantile_ranks, rate_lower_bound


def test_without_trials_nothing_is_known() -> None:
    assert rate_lower_bound(0, 0) == 0
    assert quantile_ranks(0.95, 0) == (0, 1)


def test_the_bound_is_wilsons() -> None:
    """By hand from Wilson's formula with z = 1.6449: 10 of 100, 5 of 200."""
    assert rate_lower_bound(10, 100) == pytest.approx(0.0607, abs=1e-4)
    assert rate_lower_bound(5, 200) == pytest.approx(0.0123, abs=1e-4)


@given(st.integers(1, 100_000), st.data())
def test_the_bound_lies_between_nothing_and_what_was_measured(
    trials: int, data: st.DataObject
) -> None:
    events = data.draw(st.integers(0, trials))
    assert 0 <= rate_lower_bound(events, trials) <= events / trials


@given(st.integers(1, 10_000), st.data())
def test_more_events_never_lower_the_bound(trials: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, trials - 1))
    assert rate_lower_bound(events, trials) <= rate_lower_bound(events + 1, trials)


def test_more_trials_of_the_same_rate_bring_the_bound_closer() -> None:
    bounds = [rate_lower_bound(trials // 20, trials) for trials in (100, 1_000, 10_000, 100_000)]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize(("rate", "trials"), [(0.01, 2_000), (0.05, 500), (0.3, 200)])
def test_the_bound_is_over_the_true_rate_as_seldom_as_promised(rate: float, trials: int) -> None:
    events = np.random.default_rng(1).binomial(trials, rate, 20_000)
    wrong = np.mean([rate_lower_bound(int(n), trials) > rate for n in events])
    assert wrong < (1 - CONFIDENCE) * 1.4


@given(st.floats(0.01, 0.99), st.integers(1, 10**6))
def test_ranks_surround_the_quantile(quantile: float, trials: int) -> None:
    lower, upper = quantile_ranks(quantile, trials)
    assert 0 <= lower < quantile < upper <= 1


@pytest.mark.parametrize("trials", [200, 1_000, 5_000])
def test_the_true_quantile_lies_between_the_ranks_as_often_as_promised(trials: int) -> None:
    """Of uniform samples, whose 95th percentile is 0.95."""
    samples = np.sort(np.random.default_rng(2).random((4_000, trials)), axis=1)
    lower, upper = (
        samples[:, min(trials, int(np.ceil(rank * trials))) - 1]
        for rank in quantile_ranks(0.95, trials)
    )
    assert np.mean(lower > 0.95) < (1 - CONFIDENCE) * 1.4
    assert np.mean(upper < 0.95) < (1 - CONFIDENCE) * 1.4
