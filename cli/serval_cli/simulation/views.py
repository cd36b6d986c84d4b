"""Render the figures of a simulation."""

from rich.console import RenderableType
from rich.table import Table

from serval_cli.views.models import Value


def results(value: Value) -> RenderableType:
    """Render a simulation's results."""
    shown = Table.grid(padding=(0, 2))
    for name, text in rows(value):
        shown.add_row(name, text)
    return shown


def rows(value: Value) -> list[tuple[str, str]]:
    """Return the name and text of each row."""
    latency, age = value["latency_seconds"], value["age"]
    machines, cost, prices = value["machines"], value["cost_dollars"], value["prices"]
    given, fleet = value["assumptions"], value["fleet"]
    used = ", ".join(f"{hours} {use}" for use, hours in machines["hours_by_use"].items())
    unfinished = f", {value['unfinished']:,} of them without a result" * bool(value["unfinished"])
    return [
        ("trace", f"{value['trace']}, {value['hours']} h, seed {value['seed']}"),
        (
            "fleet",
            f"{fleet['name']}: {fleet['minimum']} to {fleet['maximum']} machines, "
            f"target age {fleet['target_age_seconds']} s",
        ),
        ("requests", f"{value['requests']:,}{unfinished}"),
        (
            "submit to result",
            f"p50 {latency['p50']} s, p95 {latency['p95']} s, p99 {latency['p99']} s, "
            f"at the most {latency['max']} s",
        ),
        (
            "target age",
            f"held in {age['held_percent_of_minutes']} % of the minutes; {age['late_seconds']} s "
            f"above it, {age['longest_late_seconds']} s at the longest, "
            f"{age['late_seconds_without_workers']} s of them before a worker had started",
        ),
        (
            "machines",
            f"{machines['peak']} at the most; {machines['hours']} hours: {used}; "
            f"{machines['on_demand_hours']} on demand",
        ),
        (
            "cost",
            f"${cost['total']}, ${cost['per_1000_requests']} for 1,000 requests; "
            f"${cost['not_running']} of it while nothing ran; "
            f"${cost['a_month_without_requests']} a month without requests",
        ),
        (
            "events",
            f"woken {value['wakes']} times, {value['reclaims']} machines reclaimed, "
            f"{value['given_back']} requests given back, capacity changed "
            f"{value['capacity_changes']} times",
        ),
        (
            "prices",
            f"${given['spot_price']} spot, ${given['on_demand_price']} on demand an hour "
            f"({prices['region']}, {prices['as_of']}; spot prices change)",
        ),
    ]
