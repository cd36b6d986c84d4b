"""How much is asked of a fleet: arrivals a second, where they are heading, seconds per request.

Arrivals are what workers have closed since the last tick and what is open more than then. Their
level and trend are smoothed with weights that fit the time between ticks (Holt's linear method, for
irregular intervals).

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
from serval.fleets.scale.observation import Observed
from serval.fleets.state import FleetState

LEVEL_SECONDS = 60.0
"""A change of the arrivals is two thirds believed after this long, or after half of what a request
takes: few long requests that come by chance are no change."""
TREND_FACTOR = 3
"""So many times longer for a change of their trend."""
USUAL_TICK_SECONDS = 60.0
SHORTEST_TICK_SECONDS = 5.0
"""EventBridge may tick twice: what lies so close together tells nothing."""
EMPTY_SECONDS = 1800.0
"""Who has slept for so long has no machines left that would start faster than others."""
FIRST_TICKS_SECONDS = 120.0
"""A fleet that is short of machines since so soon after it was woken has had none."""
SHORTER_START = 0.3
"""Weight of a start that took less time than usual."""
FEW_REQUESTS = 10
"""As many closed requests count as much as all that was measured before."""

Counts = Mapping[str, tuple[int, float]]
"""Requests completed, and seconds spent on them, by worker."""


@dataclass(frozen=True, slots=True)
class WorkDone:
    """What workers have done since the last tick."""

    completed: int
    busy_seconds: float


def measured(state: FleetState, seen: Observed) -> FleetState:
    """Give the row with what this look teaches about the demand."""
    elapsed = seconds_since(state.ticked or state.woken, seen.now)
    if elapsed is None:
        elapsed = USUAL_TICK_SECONDS
    if elapsed < SHORTEST_TICK_SECONDS:
        return state
    work = done(state, seen)
    arrived = max(0, work.completed + seen.open - state.open_before)
    level, trend = smoothed(state, arrived / elapsed, elapsed)
    quiet = not seen.asked and work.completed == 0
    return replace(
        state,
        idle_since=(state.idle_since or timestamp(seen.now)) if quiet else "",
        arrivals_per_second=level,
        arrivals_trend=trend,
        seconds_per_request=usual_seconds(state.seconds_per_request, work),
        start_up_seconds=usual_start_up(state, seen),
        open_before=seen.open,
        counted=json.dumps({w.worker: (w.completed, w.busy_seconds) for w in seen.workers}),
        ticked=timestamp(seen.now),
    )


def forgotten(state: FleetState) -> FleetState:
    """Give the row without what a sleep has made stale; how long a request takes is no such."""
    return replace(
        state, arrivals_per_second=0.0, arrivals_trend=0.0, open_before=0, counted="", ticked=""
    )


def smoothed(state: FleetState, rate: float, elapsed: float) -> tuple[float, float]:
    """Give the arrivals a second and their trend, with a new rate in them."""
    expected = state.arrivals_per_second + state.arrivals_trend * elapsed
    memory = max(LEVEL_SECONDS, state.seconds_per_request / 2)
    level = max(0.0, expected + weight(elapsed, memory) * (rate - expected))
    slope = (level - state.arrivals_per_second) / elapsed
    trend = state.arrivals_trend
    return level, trend + weight(elapsed, TREND_FACTOR * memory) * (slope - trend)


def weight(elapsed: float, memory_seconds: float) -> float:
    """Tell what share of the new there is in what is remembered."""
    return 1 - math.exp(-elapsed / memory_seconds)


def usual_seconds(before: float, work: WorkDone) -> float:
    """Give the seconds that a request takes a machine, batches taken into account."""
    if work.completed == 0 or work.busy_seconds <= 0:
        return before
    newest = work.busy_seconds / work.completed
    if before <= 0:
        return newest
    return before + work.completed / (work.completed + FEW_REQUESTS) * (newest - before)


def usual_start_up(state: FleetState, seen: Observed) -> float:
    """Give how long a fleet takes to start from nothing; a longer start is believed at once."""
    before = state.start_up_seconds
    started = [worker.started for worker in seen.workers if worker.started >= state.woken]
    if not started or not starting_from_nothing(state):
        return before
    newest = seconds_since(state.woken, datetime.fromisoformat(min(started))) or 0.0
    return newest if newest > before else before + SHORTER_START * (newest - before)


def starting_from_nothing(state: FleetState) -> bool:
    """Tell whether a fleet had no machines when it was woken, and no worker since."""
    if not state.woken or not state.short_since:
        return False
    woken = datetime.fromisoformat(state.woken)
    without = (datetime.fromisoformat(state.short_since) - woken).total_seconds()
    slept = seconds_since(state.slept, woken)
    return without <= FIRST_TICKS_SECONDS and (slept is None or slept >= EMPTY_SECONDS)


def known_seconds(state: FleetState, seen: Observed) -> float:
    """Give the seconds that a request takes a machine, as far as it is known; 0: not at all.

    Before a first one has ended, it is as long as a worker has been at its first ones.
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


def done(state: FleetState, seen: Observed) -> WorkDone:
    """Add up what each worker has done since the last tick; one that is gone takes its share."""
    steps = list(_steps(state, seen))
    return WorkDone(sum(step.completed for step in steps), sum(step.busy_seconds for step in steps))


def _steps(state: FleetState, seen: Observed) -> Iterator[WorkDone]:
    before: Counts = json.loads(state.counted or "{}")
    since = state.ticked or state.woken
    for worker in seen.workers:
        completed, busy_seconds = before.get(worker.worker, (0, 0.0))
        if worker.worker in before or worker.started >= since:
            yield WorkDone(
                max(0, worker.completed - completed), max(0.0, worker.busy_seconds - busy_seconds)
            )


def seconds_since(since: str, now: datetime) -> float | None:
    """Tell how long ago a time of a row was; None if there is none."""
    return (now - datetime.fromisoformat(since)).total_seconds() if since else None
