"""Demand of a fleet: the arrival rate, its trend, and the seconds that a request takes.

Arrivals since the last tick are the requests that workers have closed plus the growth of the open
ones. Level and trend are smoothed by Holt's linear method for irregular intervals.

Literature: Holt: "Forecasting seasonals and trends by exponentially weighted moving averages"
(1957, reprinted in the International Journal of Forecasting 20, 2004); Wright: "Forecasting data
published at irregular time intervals using an extension of Holt's method", Management Science 32
(1986).
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from serval.clock import timestamp
from serval.fleets.scale.observation import Observation
from serval.fleets.state import FleetState

LEVEL_SECONDS = 60.0
"""The level follows two thirds of a change after this long, or after half of a request's time: a
few long requests that arrive by chance are no change."""
TREND_FACTOR = 3
"""The trend follows this many times more slowly."""
USUAL_TICK_SECONDS = 60.0
SHORTEST_TICK_SECONDS = 5.0
"""EventBridge may tick twice; ticks this close together tell nothing."""
EMPTY_SECONDS = 1800.0
"""After sleeping this long a fleet has no machines left that would start faster."""
FIRST_TICKS_SECONDS = 120.0
"""A fleet that was short of machines this soon after it was woken had none."""
SHORTER_START = 0.3
"""Weight of a start that was faster than the estimate."""
FEW_REQUESTS = 10
"""This many closed requests weigh as much as all earlier measurements."""

Counts = Mapping[str, tuple[int, float]]
"""Completed requests and the seconds spent on them, by worker."""


@dataclass(frozen=True, slots=True)
class WorkDone:
    """Work of the workers since the last tick."""

    completed: int
    busy_seconds: float


def measure_demand(state: FleetState, seen: Observation) -> FleetState:
    """Update the row's measures of demand from an observation."""
    elapsed = seconds_since(state.ticked or state.woken, seen.now)
    if elapsed is None:
        elapsed = USUAL_TICK_SECONDS
    if elapsed < SHORTEST_TICK_SECONDS:
        return state
    work = count_work(state, seen)
    arrived = max(0, work.completed + seen.open - state.open_before)
    level, trend = smooth_arrivals(state, arrived / elapsed, elapsed)
    quiet = not seen.asked and work.completed == 0
    return replace(
        state,
        idle_since=(state.idle_since or timestamp(seen.now)) if quiet else "",
        arrivals_per_second=level,
        arrivals_trend=trend,
        seconds_per_request=update_seconds_per_request(state.seconds_per_request, work),
        start_up_seconds=update_start_up(state, seen),
        open_before=seen.open,
        counted=json.dumps({w.worker: (w.completed, w.busy_seconds) for w in seen.workers}),
        ticked=timestamp(seen.now),
    )


def forget_demand(state: FleetState) -> FleetState:
    """Reset the measures that a sleep makes stale; the time of a request stays."""
    return replace(
        state, arrivals_per_second=0.0, arrivals_trend=0.0, open_before=0, counted="", ticked=""
    )


def smooth_arrivals(state: FleetState, rate: float, elapsed: float) -> tuple[float, float]:
    """Fold a new rate into the level and the trend of arrivals."""
    expected = state.arrivals_per_second + state.arrivals_trend * elapsed
    memory = max(LEVEL_SECONDS, state.seconds_per_request / 2)
    level = max(0.0, expected + smoothing_weight(elapsed, memory) * (rate - expected))
    slope = (level - state.arrivals_per_second) / elapsed
    trend = state.arrivals_trend
    return level, trend + smoothing_weight(elapsed, TREND_FACTOR * memory) * (slope - trend)


def smoothing_weight(elapsed: float, memory_seconds: float) -> float:
    """Return the weight of a new value, by the time since the last one."""
    return 1 - math.exp(-elapsed / memory_seconds)


def update_seconds_per_request(before: float, work: WorkDone) -> float:
    """Fold new work into the machine time of a request; batches share theirs."""
    if work.completed == 0 or work.busy_seconds <= 0:
        return before
    newest = work.busy_seconds / work.completed
    if before <= 0:
        return newest
    return before + work.completed / (work.completed + FEW_REQUESTS) * (newest - before)


def update_start_up(state: FleetState, seen: Observation) -> float:
    """Fold a start from zero into the start-up time; a slower one counts fully at once."""
    before = state.start_up_seconds
    started = [worker.started for worker in seen.workers if worker.started >= state.woken]
    if not started or not started_from_zero(state):
        return before
    newest = seconds_since(state.woken, datetime.fromisoformat(min(started))) or 0.0
    return newest if newest > before else before + SHORTER_START * (newest - before)


def started_from_zero(state: FleetState) -> bool:
    """Check whether a fleet had no machines when it was woken and has had no worker since."""
    if not state.woken or not state.short_since:
        return False
    woken = datetime.fromisoformat(state.woken)
    without = (datetime.fromisoformat(state.short_since) - woken).total_seconds()
    slept = seconds_since(state.slept, woken)
    return without <= FIRST_TICKS_SECONDS and (slept is None or slept >= EMPTY_SECONDS)


def estimate_seconds(state: FleetState, seen: Observation) -> float:
    """Estimate the machine time of a request; 0: unknown.

    Before any request has ended, it is the time that workers have spent on their first ones.
    """
    if state.seconds_per_request > 0:
        return state.seconds_per_request
    return max(
        (
            (seconds_since(worker.started, seen.now) or 0.0) / worker.holding
            for worker in seen.present
            if worker.holding and not worker.completed
        ),
        default=0.0,
    )


def count_work(state: FleetState, seen: Observation) -> WorkDone:
    """Add up the work since the last tick; that of workers now gone is lost."""
    steps = list(_steps(state, seen))
    return WorkDone(sum(step.completed for step in steps), sum(step.busy_seconds for step in steps))


def _steps(state: FleetState, seen: Observation) -> Iterator[WorkDone]:
    before: Counts = json.loads(state.counted or "{}")
    since = state.ticked or state.woken
    for worker in seen.workers:
        completed, busy_seconds = before.get(worker.worker, (0, 0.0))
        if worker.worker in before or worker.started >= since:
            yield WorkDone(
                max(0, worker.completed - completed), max(0.0, worker.busy_seconds - busy_seconds)
            )


def seconds_since(since: str, now: datetime) -> float | None:
    """Return the seconds since a time of a row; None if it is empty."""
    return (now - datetime.fromisoformat(since)).total_seconds() if since else None
