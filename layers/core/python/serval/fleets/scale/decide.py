"""How many machines a fleet is to have: a pure function of its row and of what a tick has seen.

The count is absolute: machines that were ordered and have not come are part of it, so none is
ordered twice. It is as many as the arrivals will need when a machine ordered now is there, and as
many more as work off what waits within the target age; batch jobs add machines for their shards.
Machines go slowly, and only after fewer would have done for a while; the last one goes when nothing
has been asked for the fleet's idle time. The simulation, the laptop and AWS run this very function.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from serval.clock import timestamp
from serval.fleets.scale.capacity import (
    LESS_SECONDS,
    capacity_of_a_woken_fleet,
    choose_capacity,
    known_start_up,
)
from serval.fleets.scale.demand import forgotten, known_seconds, measured, seconds_since
from serval.fleets.scale.observation import JobShards, Observed
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet

TICK_SECONDS = 60.0
HEADROOM = 1.2
"""Machines for each that would be busy all the time."""
UNKNOWN_SECONDS = 1.0
"""What a request is taken to cost a machine before one was measured."""
FASTEST_GROWTH = 2.0
"""Looking ahead, arrivals at most double."""
CHANCE = 1.0
"""Growth is what exceeds so many standard deviations of what steady arrivals seem to grow by: with
the weights of ``demand`` that is the deviation of the arrivals of one minute."""
LATE_GROWTH = 1.25
"""More machines when what waits is too old though all of them are there."""
SHARDS_A_MACHINE = 6
"""Of a batch job, for which a machine is ordered: half an hour of work, a shard being at most five
minutes of it, beside which the machine's start is short."""
LARGEST_CUT = 0.1
"""Part of the machines that may go in one tick; one always may."""


def decide(fleet: DeployedFleet, state: FleetState, seen: Observed) -> FleetState:
    """Give what a fleet's row is to become: its machines, their capacity, and why."""
    state = replace(measured(state, seen), jobs=kept_jobs(state, seen))
    wanted, reason = needed(fleet, state, seen)
    if wanted > state.machines:
        state = _grown(fleet, state, wanted, seen)
    elif wanted < state.machines:
        wanted, reason = reduced(fleet, state, seen, wanted, reason)
        less_since = state.less_since or timestamp(seen.now)
        state = replace(state, machines=wanted, less_since=less_since)
    else:
        state = replace(state, less_since="")
    state = replace(state, reason=reason)
    if state.asleep:
        return put_to_sleep(state, seen)
    return choose_capacity(fleet, state, seen)


def needed(fleet: DeployedFleet, state: FleetState, seen: Observed) -> tuple[int, str]:
    """Give how many machines would do, within the fleet's bounds, and why in words."""
    if not seen.asked and _idle(fleet, state, seen):
        return fleet.minimum, f"nothing asked for {fleet.idle_seconds} s"
    if not seen.asked and state.asleep:
        return fleet.minimum, "nothing asked"
    seconds = known_seconds(state, seen) or UNKNOWN_SECONDS
    rate = arrivals_ahead(state)
    steady = rate * seconds * HEADROOM
    backlog = seen.waiting * min(1.0, seconds / fleet.target_age_seconds)
    batch = machines_for_shards(seen.jobs)
    wanted = max(1, math.ceil(steady + backlog + batch))
    reason = (
        f"{rate:.3g} requests/s ahead, {seconds:.3g} s each, {seen.waiting} waiting, "
        f"the oldest for {seen.oldest_age_seconds:.0f} s"
    )
    if batch:
        shards = sum(job.left for job in seen.jobs)
        reason += f"; {shards} shards of batch jobs on {batch} machines"
    late = seen.oldest_age_seconds > fleet.target_age_seconds
    if late and len(seen.present) >= state.machines > 0:
        wanted = max(wanted, math.ceil(state.machines * LATE_GROWTH))
    if wanted > fleet.maximum:
        reason += f"; {wanted} machines would do, the maximum is {fleet.maximum}"
    return min(fleet.maximum, max(fleet.minimum, wanted)), reason


def machines_for_shards(jobs: Iterable[JobShards]) -> int:
    """Give how many machines shards are worth, of which each works on one at a time."""
    return sum(min(job.at_once, math.ceil(job.left / SHARDS_A_MACHINE)) for job in jobs)


def kept_jobs(state: FleetState, seen: Observed) -> tuple[str, ...]:
    """Give the batch jobs of a row without those that have ended."""
    return tuple(job for job in state.jobs if job not in seen.ended_jobs)


def arrivals_ahead(state: FleetState) -> float:
    """Give the arrivals a second by the time a machine that is ordered now takes work."""
    level = state.arrivals_per_second
    chance = math.sqrt(level / TICK_SECONDS)
    growth = state.arrivals_trend * (known_start_up(state) + TICK_SECONDS) - CHANCE * chance
    return level + min(max(0.0, growth), level * (FASTEST_GROWTH - 1))


def reduced(
    fleet: DeployedFleet, state: FleetState, seen: Observed, wanted: int, reason: str
) -> tuple[int, str]:
    """Give how many machines stay though fewer would do, and why."""
    if not seen.asked and _idle(fleet, state, seen):
        return max(wanted, min(seen.busy, state.machines)), reason
    waited = seconds_since(state.less_since, seen.now) or 0.0
    if waited < LESS_SECONDS:
        return state.machines, f"{reason}; {wanted} would do for {waited:.0f} s only"
    cut = max(1, math.floor(state.machines * LARGEST_CUT))
    kept = max(wanted, state.machines - cut, seen.busy)
    return min(kept, state.machines, fleet.maximum), f"{reason}; {wanted} would do"


def woken(fleet: DeployedFleet, state: FleetState, seen: Observed) -> FleetState:
    """Give the row of a fleet that slept and is needed; one that is awake stays as it is."""
    if not state.asleep:
        return state
    state = replace(
        forgotten(state),
        machines=max(1, fleet.minimum),
        woken=timestamp(seen.now),
        idle_since="",
        reason="woken by a request",
    )
    return capacity_of_a_woken_fleet(state, seen)


def put_to_sleep(state: FleetState, seen: Observed) -> FleetState:
    """Give the row of a fleet without machines; its demand is measured anew when it wakes."""
    slept = state.slept if state.slept > state.woken else timestamp(seen.now)
    return replace(forgotten(state), slept=slept, less_since="", short_since="")


def _grown(fleet: DeployedFleet, state: FleetState, wanted: int, seen: Observed) -> FleetState:
    return replace(woken(fleet, state, seen), machines=wanted, less_since="")


def _idle(fleet: DeployedFleet, state: FleetState, seen: Observed) -> bool:
    return (seconds_since(state.idle_since, seen.now) or 0.0) >= fleet.idle_seconds
