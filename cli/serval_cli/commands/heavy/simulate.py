"""``serval simulate``: find out what a fleet would do before it costs anything."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.progress import Progress

from serval.fleets.declaration import FLEETS_YAML
from serval.models.deployed_fleets import DeployedFleet
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, new_app
from serval_cli.output import errors, note, results, show
from serval_cli.simulation import options, views
from serval_cli.simulation.arrivals import Trace, open_trace
from serval_cli.simulation.assumptions import Assumptions
from serval_cli.simulation.charts import draw_charts
from serval_cli.simulation.figures import compute_figures
from serval_cli.simulation.fleet_choice import (
    DEFAULT_INSTANCE,
    apply_bounds,
    default_fleet,
    read_fleet,
    set_prices,
)
from serval_cli.simulation.picture import draw_picture
from serval_cli.simulation.world import World

app = new_app("Simulate a fleet of spot machines under a trace of requests.")
USUAL = Assumptions()
HERE = "-"
STEP_SECONDS = 60.0
"""Simulated time between two updates of the progress bar."""


@app.callback()
def simulate() -> None:
    """Simulate a fleet of spot machines under a trace of requests."""


@app.command("fleet")
def simulate_fleet(
    trace: options.TraceOption,
    fleet: options.FleetOption = None,
    fleets: options.FleetsOption = Path(FLEETS_YAML),
    instance_type: options.InstanceOption = None,
    minimum: options.MinimumOption = None,
    maximum: options.MaximumOption = None,
    target_age: options.TargetOption = None,
    seconds_per_request: options.SecondsOption = USUAL.seconds_per_request,
    batch: options.BatchOption = USUAL.batch,
    batch_cost: options.BatchCostOption = USUAL.batch_cost,
    start_up: options.StartUpOption = "180-240",
    reclaims_per_hour: options.ReclaimsOption = USUAL.reclaims_per_hour,
    shortage: options.ShortageOption = None,
    hours: options.HoursOption = None,
    seed: options.SeedOption = 1,
    spot_price: options.SpotPriceOption = None,
    on_demand_price: options.OnDemandPriceOption = None,
    plot: options.PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a fleet would scale, how long requests would take, and what it would cost.

    The decisions are those of a real stage's tick; machines, prices and requests are simulated.
    """
    if plot == HERE and as_json:
        raise CommandFailed("--plot - and --json both write to stdout: --plot FILE.png does not")
    known, first_type = read_fleet(fleet, fleets) if fleet else (default_fleet(), DEFAULT_INSTANCE)
    given = replace(
        USUAL,
        seconds_per_request=seconds_per_request,
        batch=batch,
        batch_cost=batch_cost,
        start_up_seconds=options.read_range("--start-up", start_up),
        reclaims_per_hour=reclaims_per_hour,
        shortage_seconds=options.read_range("--shortage", shortage, 3600) if shortage else None,
    )
    given = set_prices(given, instance_type or first_type, spot_price, on_demand_price)
    chosen = apply_bounds(known, minimum, maximum, target_age)
    requests = open_trace(trace, hours, seed)
    world = run_world(chosen, given, requests, seed)
    show(compute_figures(world, requests), views.results, as_json=as_json)
    if plot == HERE:
        results().print(draw_charts(world, results().width))
    elif plot:
        draw_picture(world, f"{requests.name}, fleet {chosen.name!r}", Path(plot))
        note(f"drawn: {plot}")


def run_world(fleet: DeployedFleet, given: Assumptions, trace: Trace, seed: int) -> World:
    """Run a simulation, showing its progress."""
    world = World(fleet, given, seed)
    with show_progress(trace) as tell:
        world.run(trace.times, tell)
    return world


@contextmanager
def show_progress(trace: Trace) -> Iterator[Callable[[float], None]]:
    """Show on a terminal how much of a trace has been simulated."""
    if not sys.stderr.isatty():
        note(f"simulating {trace.name}, {trace.seconds / 3600:.3g} hours")
        yield lambda at: None
        return
    with Progress(console=errors(), transient=True) as bar:
        task = bar.add_task(f"simulating {trace.name}", total=trace.seconds)
        shown = 0.0

        def tell(at: float) -> None:
            nonlocal shown
            if at - shown >= STEP_SECONDS:
                shown = at
                bar.update(task, completed=at)

        yield tell
