"""Where a fleet's machines come from: spot, or on demand while spot has none, and back.

A fleet is short of machines while some that it was promised do not work, and none has come for
twice as long as a start takes. It turns to on-demand machines when it is short and what waits is
older than twice the target, or as soon as ECS says that it cannot place a worker. It turns back
after a while, when nothing is late and it lets machines go anyway: if spot has still none, those
that it has are enough meanwhile.
"""

from dataclasses import replace

from serval.clock import timestamp
from serval.fleets.scale.demand import seconds_since
from serval.fleets.scale.observation import Observed
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet

START_UP_SECONDS = 300.0
"""From an order to a worker that takes work, until it was measured: capacity, boot, image."""
SHORT_FACTOR = 2
"""When nothing has come for so many times as long as a start takes, spot has nothing."""
LATE_FACTOR = 2
"""What waits may get so many times as old as the target before spot is given up."""
HOLD_SECONDS = 1800.0
"""How long on-demand machines are kept at the least."""
LONGEST_HOLD_SECONDS = 14400.0
"""How long they are kept while the fleet lets none go."""
LESS_SECONDS = 300.0
"""How long fewer machines must do before one goes."""


def choose_capacity(fleet: DeployedFleet, state: FleetState, seen: Observed) -> FleetState:
    """Give the row with the capacity that its machines are to have from now on."""
    state = replace(state, short_since=_short_since(state, seen))
    target = fleet.target_age_seconds
    age = seen.oldest_age_seconds
    short = seconds_since(state.short_since, seen.now) or 0.0
    if state.capacity == "spot":
        longest = SHORT_FACTOR * max(START_UP_SECONDS, known_start_up(state))
        if short >= longest and age > LATE_FACTOR * target:
            missing = state.machines - len(seen.present)
            return turn_to_on_demand(
                state,
                f"{missing} spot machines did not come within {short:.0f} s, and the oldest "
                f"request waits for {age:.0f} s",
                timestamp(seen.now),
            )
        return state
    if age <= target and may_turn_back(state, seen):
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


def known_start_up(state: FleetState) -> float:
    """Give how long a machine takes from its order to its work."""
    return state.start_up_seconds or START_UP_SECONDS


def may_turn_back(state: FleetState, seen: Observed) -> bool:
    """Tell whether a fleet with work may try spot machines again."""
    held = seconds_since(state.capacity_since, seen.now) or 0.0
    less = seconds_since(state.less_since, seen.now) or 0.0
    shrinks = less >= LESS_SECONDS and state.arrivals_trend <= 0
    return held >= LONGEST_HOLD_SECONDS or (held >= HOLD_SECONDS and shrinks)


def _short_since(state: FleetState, seen: Observed) -> str:
    """Give since when some of its machines are missing and none has come."""
    if len(seen.present) >= state.machines:
        return ""
    since = state.short_since or timestamp(seen.now)
    return max([since, *(worker.started for worker in seen.workers)])


def capacity_of_a_woken_fleet(state: FleetState, seen: Observed) -> FleetState:
    """Give the row of a fleet that wakes: it tries spot, unless that failed a short while ago."""
    held = seconds_since(state.capacity_since, seen.now) or 0.0
    if state.capacity == "spot" or held < HOLD_SECONDS:
        return state
    return turn_to_spot(state, timestamp(seen.now))
