"""Decide how many machines a fleet should have, by its row and an observation alone.

The count is absolute: it includes machines that were ordered and have not arrived, so none is
ordered twice. It covers the arrivals expected by the time a machine ordered now works, plus what
clears the backlog within the target age, plus machines for the shards of batch jobs, plus one
where a candidate needs a machine of its own. A fleet
shrinks slowly, and only after fewer machines would have sufficed for a while; the last one goes
after the fleet's idle time. The simulation, the laptop and AWS all run this function.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from serval.clock import timestamp
from serval.fleets.canaries import choose_all
from serval.fleets.scale.capacity import (
    LESS_SECONDS,
    choose_capacity,
    choose_capacity_on_wake,
    expected_start_up,
)
from serval.fleets.scale.demand import (
    estimate_seconds,
    forget_demand,
    measure_demand,
    seconds_since,
)
from serval.fleets.scale.observation import JobShards, Observation
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet

TICK_SECONDS = 60.0
HEADROOM = 1.2
"""Machines ordered for each one kept busy all the time."""
UNKNOWN_SECONDS = 1.0
"""Assumed machine time of a request, before one is measured."""
FASTEST_GROWTH = 2.0
"""Expected arrivals are at most double the present ones."""
CHANCE = 1.0
"""Growth counts beyond this many standard deviations of the apparent growth of steady arrivals:
with the weights of ``demand``, the deviation of one minute's arrivals."""
LATE_GROWTH = 1.25
"""Factor of growth when requests are late although all machines work."""
SHARDS_A_MACHINE = 6
"""Shards of a batch job for each machine: half an hour of work, at most five minutes a shard,
beside which the machine's start is short."""
LARGEST_CUT = 0.1
"""The share of machines that may go in one tick; one always may."""


def decide(fleet: DeployedFleet, state: FleetState, seen: Observation) -> FleetState:
    """Return the next row of a fleet: its machines, their capacity, and why."""
    state = replace(measure_demand(state, seen), jobs=remaining_jobs(state, seen))
    wanted, reason = needed_machines(fleet, state, seen)
    if wanted > state.machines:
        state = _scale_out(fleet, state, wanted, seen)
    elif wanted < state.machines:
        wanted, reason = scale_in(fleet, state, seen, wanted, reason)
        less_since = state.less_since or timestamp(seen.now)
        state = replace(state, machines=wanted, less_since=less_since)
    else:
        state = replace(state, less_since="")
    holders = choose_all(seen.canaries, seen.present, state.holders)
    state = replace(state, reason=reason, holders=holders)
    if state.asleep:
        return put_to_sleep(state, seen)
    return choose_capacity(fleet, state, seen)


def needed_machines(fleet: DeployedFleet, state: FleetState, seen: Observation) -> tuple[int, str]:
    """Count the machines that would suffice, within the fleet's bounds; say why."""
    if not seen.asked and _is_idle(fleet, state, seen):
        return fleet.minimum, f"nothing asked for {fleet.idle_seconds} s"
    if not seen.asked and state.asleep:
        return fleet.minimum, "nothing asked"
    seconds = estimate_seconds(state, seen) or UNKNOWN_SECONDS
    rate = expected_arrivals(state)
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
    if seen.canaries:
        wanted += 1
        reason += f"; one more for the candidate of {', '.join(c.model for c in seen.canaries)}"
    if wanted > fleet.maximum:
        reason += f"; {wanted} machines would do, the maximum is {fleet.maximum}"
    return min(fleet.maximum, max(fleet.minimum, wanted)), reason


def machines_for_shards(jobs: Iterable[JobShards]) -> int:
    """Count the machines that shards are worth; a machine runs one at a time."""
    return sum(min(job.at_once, math.ceil(job.left / SHARDS_A_MACHINE)) for job in jobs)


def remaining_jobs(state: FleetState, seen: Observation) -> tuple[str, ...]:
    """Return the batch jobs of a row that have not ended."""
    return tuple(job for job in state.jobs if job not in seen.ended_jobs)


def expected_arrivals(state: FleetState) -> float:
    """Predict the arrivals a second by the time a machine ordered now works."""
    level = state.arrivals_per_second
    chance = math.sqrt(level / TICK_SECONDS)
    growth = state.arrivals_trend * (expected_start_up(state) + TICK_SECONDS) - CHANCE * chance
    return level + min(max(0.0, growth), level * (FASTEST_GROWTH - 1))


def scale_in(
    fleet: DeployedFleet, state: FleetState, seen: Observation, wanted: int, reason: str
) -> tuple[int, str]:
    """Count the machines that stay though fewer would suffice; say why."""
    if not seen.asked and _is_idle(fleet, state, seen):
        return max(wanted, min(seen.busy, state.machines)), reason
    waited = seconds_since(state.less_since, seen.now) or 0.0
    if waited < LESS_SECONDS:
        return state.machines, f"{reason}; {wanted} would do for {waited:.0f} s only"
    cut = max(1, math.floor(state.machines * LARGEST_CUT))
    kept = max(wanted, state.machines - cut, seen.busy)
    return min(kept, state.machines, fleet.maximum), f"{reason}; {wanted} would do"


def wake(fleet: DeployedFleet, state: FleetState, seen: Observation) -> FleetState:
    """Wake a fleet that sleeps; leave one that is awake."""
    if not state.asleep:
        return state
    state = replace(
        forget_demand(state),
        machines=max(1, fleet.minimum),
        woken=timestamp(seen.now),
        idle_since="",
        reason="woken by a request",
    )
    return choose_capacity_on_wake(state, seen)


def put_to_sleep(state: FleetState, seen: Observation) -> FleetState:
    """Put a fleet to sleep; its demand is measured anew when it wakes."""
    slept = state.slept if state.slept > state.woken else timestamp(seen.now)
    return replace(forget_demand(state), slept=slept, less_since="", short_since="")


def _scale_out(
    fleet: DeployedFleet, state: FleetState, wanted: int, seen: Observation
) -> FleetState:
    return replace(wake(fleet, state, seen), machines=wanted, less_since="")


def _is_idle(fleet: DeployedFleet, state: FleetState, seen: Observation) -> bool:
    return (seconds_since(state.idle_since, seen.now) or 0.0) >= fleet.idle_seconds
