"""The window of a canary step whose metrics are complete, cut into periods.

CloudWatch keeps metrics for 3 hours by the second, for 15 days by the minute, for 63 days by five
minutes, and then by the hour. One answer has at most 1,440 periods. Windows end just before now,
so a longer window started earlier and has longer periods.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

MOST_PERIODS = 30
PERIODS_SECONDS = (10, 30, 60, 300, 900, 3600, 14400, 86400)
"""Periods that CloudWatch accepts; 30 of them last from five minutes to a month."""
START_GRID_SECONDS = 3600
"""Long windows start on a whole hour, as CloudWatch would round them."""
END_GRID_SECONDS = 60
"""Long windows end on a whole minute, so that harm shows before a long period ends."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time range, and the period to read its metrics by."""

    start: datetime
    end: datetime
    period_seconds: int


def complete_window(since: datetime, until: datetime) -> Window | None:
    """Fit a window between two times; None if they are too close."""
    length = (until - since).total_seconds()
    period = next(
        (seconds for seconds in PERIODS_SECONDS if length <= seconds * MOST_PERIODS),
        PERIODS_SECONDS[-1],
    )
    start_grid = min(period, START_GRID_SECONDS)
    end_grid = min(period, END_GRID_SECONDS)
    start = -(-since.timestamp() // start_grid) * start_grid
    end = until.timestamp() // end_grid * end_grid
    if start >= end:
        return None
    return Window(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), period)
