"""Draw charts of a simulation as a PNG, with matplotlib, an optional dependency."""

from pathlib import Path

from serval_cli.failures import CommandFailed
from serval_cli.simulation.curves import compute_curves
from serval_cli.simulation.world import World

MISSING = (
    "--plot FILE.png draws with matplotlib, which is not installed: "
    "`pip install '.[simulation]'` in the checkout, or `--plot -` draws here"
)


def draw_picture(world: World, title: str, path: Path) -> None:
    """Write the picture.

    Raises
    ------
    CommandFailed
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise CommandFailed(MISSING) from None
    drawn = compute_curves(world)
    hours = [sample.at / 3600 for sample in world.samples]
    figure = Figure(figsize=(11, 2.2 * len(drawn)), layout="constrained")
    figure.suptitle(title)
    for axes, curve in zip(figure.subplots(len(drawn), sharex=True), drawn, strict=True):
        axes.plot(hours, curve.values, color=curve.style, linewidth=1)
        axes.set_title(curve.title, loc="left", fontsize="medium")
        axes.set_ylim(bottom=0)
        if curve.mark is not None:
            axes.axhline(curve.mark, color="grey", linestyle="--", linewidth=1)
    figure.supxlabel("hours")
    figure.savefig(path, dpi=120)
