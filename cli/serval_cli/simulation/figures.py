"""Summarise a simulation in figures, as ``--json`` prints them."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from serval.fleets.prices import AS_OF, REGION
from serval_cli.simulation import spans
from serval_cli.simulation.arrivals import Trace
from serval_cli.simulation.machines import Use
from serval_cli.simulation.world import World

HOURS_A_MONTH = 730
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
USES: tuple[Use, ...] = ("running", "idle", "starting", "empty")


def compute_figures(world: World, trace: Trace) -> dict[str, Any]:
    """Compute all figures."""
    count = len(world.requests.came)
    latencies = sorted(world.requests.latencies)
    cost = cost_by_use(world)
    return {
        "trace": trace.name,
        "hours": round(trace.seconds / 3600, 3),
        "seed": world.seed,
        "fleet": {
            name: value
            for name, value in asdict(world.fleet).items()
            if name in ("name", "minimum", "maximum", "target_age_seconds", "idle_seconds")
        },
        "assumptions": asdict(world.given),
        "prices": {"as_of": AS_OF, "region": REGION},
        "requests": count,
        "unfinished": count - len(latencies),
        "latency_seconds": {
            name: round(quantile(latencies, share), 2) for name, share in PERCENTILES.items()
        },
        "age": measure_ages(world, trace),
        "machines": {
            "peak": max(sample.asked for sample in world.samples),
            "hours": round(world.pool.bill.of() / 3600, 2),
            "hours_by_use": {use: round(world.pool.bill.of(use=use) / 3600, 2) for use in USES},
            "on_demand_hours": round(world.pool.bill.of(capacity="on-demand") / 3600, 2),
        },
        "cost_dollars": {
            "total": round(sum(cost.values()), 2),
            "per_1000_requests": round(sum(cost.values()) / count * 1000, 4) if count else None,
            "not_running": round(sum(cost.values()) - cost["running"], 2),
            "a_month_without_requests": round(
                world.fleet.minimum * world.given.spot_price * HOURS_A_MONTH, 2
            ),
        },
        "wakes": world.wakes,
        "reclaims": world.pool.reclaims,
        "given_back": world.requests.given_back,
        "capacity_changes": world.pool.turns,
    }


def measure_ages(world: World, trace: Trace) -> dict[str, Any]:
    """Measure how well the target age was kept, and whether workers ran while it was not."""
    late = spans.merge(world.requests.late)
    waking = spans.total_length(spans.intersect(late, world.pool.without_workers))
    minutes = math.ceil(trace.seconds / 60)
    touched = spans.count_minutes(late, minutes)
    return {
        "target_seconds": world.fleet.target_age_seconds,
        "held_percent_of_minutes": round(100 * (1 - touched / minutes), 2) if minutes else 100.0,
        "late_seconds": round(spans.total_length(late), 1),
        "late_seconds_without_workers": round(waking, 1),
        "late_spans": len(late),
        "longest_late_seconds": round(max((b - a for a, b in late), default=0.0), 1),
        "last_late_at_seconds": round(late[-1][1], 1) if late else None,
    }


def cost_by_use(world: World) -> dict[Use, float]:
    """Return the cost of machines by what they were doing."""
    bill, given = world.pool.bill, world.given
    return {
        use: (
            bill.of(capacity="spot", use=use) * given.spot_price
            + bill.of(capacity="on-demand", use=use) * given.on_demand_price
        )
        / 3600
        for use in USES
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share does not exceed; 0 without values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
