"""Capacity of a fleet: spot machines, or on-demand ones while spot has none.

A fleet is short of machines if some are missing and none has arrived for twice as long as a start
takes. It turns to on-demand machines if it is short and the oldest waiting request is older than
twice the target, or as soon as ECS cannot place a worker. It turns back after a while, when nothing
is late and it is shrinking anyway: if spot still has none, its remaining machines suffice
meanwhile.
"""

from dataclasses import replace

from serval.clock import timestamp
from serval.fleets.scale.demand import seconds_since
from serval.fleets.scale.observation import Observation
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet

START_UP_SECONDS = 300.0
"""Assumed time from an order to a working worker, before one is measured."""
SHORT_FACTOR = 2
"""Spot has nothing if no machine arrives within this many start-up times."""
LATE_FACTOR = 2
"""Requests may get this many times as old as the target before spot is given up."""
HOLD_SECONDS = 1800.0
"""The shortest time for which on-demand machines are kept."""
LONGEST_HOLD_SECONDS = 14400.0
"""How long they are kept while the fleet does not shrink."""
LESS_SECONDS = 300.0
"""How long fewer machines must suffice before one goes."""


def choose_capacity(fleet: DeployedFleet, state: FleetState, seen: Observation) -> FleetState:
    """Choose the capacity of an awake fleet."""
    state = replace(state, short_since=_short_since(state, seen))
    target = fleet.target_age_seconds
    age = seen.oldest_age_seconds
    short = seconds_since(state.short_since, seen.now) or 0.0
    if state.capacity == "spot":
        longest = SHORT_FACTOR * max(START_UP_SECONDS, expected_start_up(state))
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
    """Turn a fleet whose spot machines do not arrive to on-demand ones."""
    return replace(
        state,
        capacity="on-demand",
        capacity_since=now,
        short_since="",
        reason=f"on-demand machines: {reason}",
    )


def turn_to_spot(state: FleetState, now: str) -> FleetState:
    """Turn a fleet back to spot machines."""
    return replace(
        state,
        capacity="spot",
        capacity_since=now,
        short_since="",
        reason=f"{state.reason}; spot machines are tried again",
    )


def expected_start_up(state: FleetState) -> float:
    """Return how long a machine takes from its order to its first work."""
    return state.start_up_seconds or START_UP_SECONDS


def may_turn_back(state: FleetState, seen: Observation) -> bool:
    """Check whether a fleet with work may try spot machines again."""
    held = seconds_since(state.capacity_since, seen.now) or 0.0
    less = seconds_since(state.less_since, seen.now) or 0.0
    shrinks = less >= LESS_SECONDS and state.arrivals_trend <= 0
    return held >= LONGEST_HOLD_SECONDS or (held >= HOLD_SECONDS and shrinks)


def _short_since(state: FleetState, seen: Observation) -> str:
    """Return since when machines are missing and none has arrived."""
    if len(seen.present) >= state.machines:
        return ""
    since = state.short_since or timestamp(seen.now)
    return max([since, *(worker.started for worker in seen.workers)])


def choose_capacity_on_wake(state: FleetState, seen: Observation) -> FleetState:
    """Choose the capacity of a waking fleet: spot, unless that failed a short while ago."""
    held = seconds_since(state.capacity_since, seen.now) or 0.0
    if state.capacity == "spot" or held < HOLD_SECONDS:
        return state
    return turn_to_spot(state, timestamp(seen.now))
