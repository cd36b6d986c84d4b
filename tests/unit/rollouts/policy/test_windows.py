"""Windows of complete metrics, within what CloudWatch keeps and answers."""

from datetime import UTC, datetime, timedelta

import pytest

from serval.rollouts.policy.windows import complete_window

SINCE = datetime(2026, 11, 21, 10, 15, 7, 250000, tzinfo=UTC)
DATAPOINTS = 1440
KEPT = ((timedelta(hours=3), 1), (timedelta(days=15), 60), (timedelta(days=63), 300))


@pytest.mark.parametrize(
    "length",
    [
        timedelta(seconds=20),
        timedelta(minutes=5),
        timedelta(hours=1),
        timedelta(hours=2),
        timedelta(hours=7),
        timedelta(days=2),
        timedelta(days=14.9),
        timedelta(days=45),
    ],
)
def test_a_window_is_within_its_step_and_cloudwatch_keeps_its_periods(length: timedelta):
    window = complete_window(SINCE, SINCE + length)
    assert window is not None
    assert SINCE <= window.start < window.end <= SINCE + length
    lost = length - (window.end - window.start)
    assert lost < timedelta(seconds=2 * min(window.period_seconds, 3600))
    assert (window.end - window.start).total_seconds() / window.period_seconds <= DATAPOINTS
    age = length + timedelta(seconds=90)
    needed = next((seconds for kept, seconds in KEPT if age <= kept), 3600)
    assert window.period_seconds in {1, 5, 10, 30} or window.period_seconds % 60 == 0
    assert window.period_seconds % needed == 0


def test_there_is_no_window_before_a_whole_period():
    assert complete_window(SINCE, SINCE - timedelta(seconds=60)) is None
    assert complete_window(SINCE, SINCE + timedelta(seconds=12)) is None
