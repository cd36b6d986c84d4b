"""Options of ``serval simulate fleet``."""

from pathlib import Path
from typing import Annotated

import typer

from serval.fleets.declaration import FLEETS_YAML
from serval_cli.failures import CommandFailed
from serval_cli.simulation.arrivals import FORMS
from serval_cli.simulation.fleet_choice import DEFAULT_INSTANCE, DEFAULT_MAXIMUM

TraceOption = Annotated[str, typer.Option("--trace", metavar="TRACE", help=f"{FORMS}.")]
FleetOption = Annotated[
    str | None,
    typer.Option(
        "--fleet",
        metavar="NAME",
        show_default=False,
        help=f"Fleet of {FLEETS_YAML}; without it a GPU fleet of up to {DEFAULT_MAXIMUM} machines.",
    ),
]
FleetsOption = Annotated[Path, typer.Option("--fleets", metavar="FILE", help="Where fleets are.")]
InstanceOption = Annotated[
    str | None,
    typer.Option(
        "--instance-type",
        metavar="TYPE",
        show_default=False,
        help=f"Whose prices count; without it the fleet's first, else {DEFAULT_INSTANCE}.",
    ),
]
MinimumOption = Annotated[
    int | None,
    typer.Option("--minimum", min=0, show_default=False, help="Machines that always stay."),
]
MaximumOption = Annotated[
    int | None, typer.Option("--maximum", min=1, show_default=False, help="Machines at the most.")
]
TargetOption = Annotated[
    int | None,
    typer.Option("--target-age", min=5, show_default=False, help="Seconds a request may wait."),
]
SecondsOption = Annotated[
    float,
    typer.Option("--seconds-per-request", min=0.001, help="A machine's time for one request."),
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Requests in one run.")]
BatchCostOption = Annotated[
    float,
    typer.Option(
        "--batch-cost", min=0.0, max=1.0, help="Part of a run's time that each further one adds."
    ),
]
StartUpOption = Annotated[
    str,
    typer.Option("--start-up", metavar="A-B", help="Seconds from an order to a worker at work."),
]
ReclaimsOption = Annotated[
    float,
    typer.Option("--reclaims-per-hour", min=0.0, help="How often a spot machine is reclaimed."),
]
ShortageOption = Annotated[
    str | None,
    typer.Option(
        "--shortage",
        metavar="A-B",
        show_default=False,
        help="Hours between which there are no spot machines.",
    ),
]
HoursOption = Annotated[
    float | None,
    typer.Option(
        "--hours",
        min=0.01,
        show_default=False,
        help="How long; without it 6 for an evening, 4 for poisson, all of a file.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed, the same figures.")]
SpotPriceOption = Annotated[
    float | None,
    typer.Option("--spot-price", min=0.0, show_default=False, help="Dollars an hour."),
]
OnDemandPriceOption = Annotated[
    float | None,
    typer.Option("--on-demand-price", min=0.0, show_default=False, help="Dollars an hour."),
]
PlotOption = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="FILE.png|-",
        show_default=False,
        help="Draw the curves: as a PNG, or `-` here.",
    ),
]


def read_range(name: str, text: str, factor: float = 1.0) -> tuple[float, float]:
    """Read a range written as ``A-B``.

    Raises
    ------
    CommandFailed
        If the text is not a range.
    """
    first, _, second = text.partition("-")
    try:
        low, high = float(first) * factor, float(second) * factor
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high:
        raise CommandFailed(
            f"{name} {text}: two numbers expected, the smaller one first, such as 180-240"
        )
    return low, high
