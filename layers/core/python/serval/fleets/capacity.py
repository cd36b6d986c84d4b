"""Where a fleet's machines come from: spot, or on demand while spot has none, and back.

A fleet that is short of machines is one whose promised machines do not all work, and to which none
has come for longer than a start takes. It turns to on-demand machines when it is short and what
waits is older than twice the target, or as soon as ECS says that it cannot place a worker.
"""

from dataclasses import replace

from serval.clock import timestamp
from serval.fleets.demand import seconds_since
from serval.fleets.deployed import DeployedFleet
from serval.fleets.observation import Observed
from serval.fleets.state import FleetState

SHORT_SECONDS = 360.0
"""When nothing has come for so long, spot has nothing: a start takes 240 s at the most."""
LATE_FACTOR = 2
"""What waits may get so many times as old as the target before spot is given up."""
HOLD_SECONDS = 1800.0
"""How long on-demand machines are kept at the least."""


def choose_capacity(fleet: DeployedFleet, state: FleetState, seen: Observed) -> FleetState:
    """Give the row with the capacity that its machines are to have from now on."""
    state = replace(state, short_since=_short_since(state, seen))
    target = fleet.target_age_seconds
    age = seen.oldest_age_seconds
    short = seconds_since(state.short_since, seen.now) or 0.0
    if state.capacity == "spot":
        if short >= SHORT_SECONDS and age > LATE_FACTOR * target:
            missing = state.machines - len(seen.present)
            return turn_to_on_demand(
                state,
                f"{missing} spot machines did not come within {short:.0f} s, and the oldest "
                f"request waits for {age:.0f} s",
                timestamp(seen.now),
            )
        return state
    if age <= target and held_long_enough(state, seen):
        return turn_to_spot(state, timestamp(seen.now))
    return state


def turn_to_on_demand(state: FleetState, reason: str, now: str) -> FleetState:
    """Give the row of a fleet whose spot machines do not come."""
    return replace(
        state,
        capacity="on-demand",
        capacity_since=now,
        short_since="",
        reason=f"on-demand machines: {reason}",
    )


def turn_to_spot(state: FleetState, now: str) -> FleetState:
    """Give the row of a fleet that tries spot machines again."""
    return replace(
        state,
        capacity="spot",
        capacity_since=now,
        short_since="",
        reason=f"{state.reason}; spot machines are tried again",
    )


def held_long_enough(state: FleetState, seen: Observed) -> bool:
    """Tell whether a capacity was chosen long enough ago to be changed."""
    return (seconds_since(state.capacity_since, seen.now) or 0.0) >= HOLD_SECONDS


def _short_since(state: FleetState, seen: Observed) -> str:
    """Give since when some of its machines are missing and none has come."""
    if len(seen.present) >= state.machines:
        return ""
    since = state.short_since or timestamp(seen.now)
    return max([since, *(worker.started for worker in seen.workers)])


def capacity_of_a_woken_fleet(state: FleetState, seen: Observed) -> FleetState:
    """Give the row of a fleet that wakes: it tries spot, unless that failed a short while ago."""
    if state.capacity == "spot" or not held_long_enough(state, seen):
        return state
    return turn_to_spot(state, timestamp(seen.now))
