"""Windows: the part of a canary step whose metrics are complete, cut into periods.

CloudWatch keeps values for 3 hours by the second, for 15 days by the minute, for 63 days by five
minutes, and then by the hour; one answer has at most 1,440 periods. Windows end just before now,
so the longer one is, the longer ago it began and the longer its periods are.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

MOST_PERIODS = 30
PERIODS_SECONDS = (10, 30, 60, 300, 900, 3600, 14400, 86400)
"""Those that CloudWatch takes; 30 of them last from five minutes to a month."""
START_GRID_SECONDS = 3600
"""Starts of long windows lie on whole hours, to which CloudWatch rounds them."""
END_GRID_SECONDS = 60
"""Ends of long windows lie on whole minutes: harm is not to wait for the end of a day."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, and the periods that its metrics are read by."""

    start: datetime
    end: datetime
    period_seconds: int


def complete_window(since: datetime, until: datetime) -> Window | None:
    """Fit a window between two moments; None if none fits."""
    length = (until - since).total_seconds()
    period = next(
        (one for one in PERIODS_SECONDS if length <= one * MOST_PERIODS), PERIODS_SECONDS[-1]
    )
    start_grid = min(period, START_GRID_SECONDS)
    end_grid = min(period, END_GRID_SECONDS)
    start = -(-since.timestamp() // start_grid) * start_grid
    end = until.timestamp() // end_grid * end_grid
    if start >= end:
        return None
    return Window(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), period)
