"""Draw charts of a simulation in the terminal; a column shows the highest value of its time."""

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.text import Text

from serval_cli.simulation.curves import Curve, compute_curves
from serval_cli.simulation.world import World

BLOCKS = " ▁▂▃▄▅▆▇█"
ROWS = 6
LABEL = 9
"""Characters in front of each row."""


def draw_charts(world: World, columns: int) -> RenderableType:
    """Draw all curves one below the other, over the same hours."""
    width = max(20, columns - LABEL - 1)
    parts = [part for curve in compute_curves(world) for part in draw_chart(curve, width)]
    hours = world.samples[-1].at / 3600
    axis = f"0 h{f'{hours:.1f} h':>{width - 3}}"
    return Group(*parts, Text(" " * (LABEL + 1) + axis, style="dim"))


def draw_chart(curve: Curve, width: int) -> list[Text]:
    """Draw one curve."""
    shown = highest_values(curve.values, width)
    top = max([*shown, curve.mark or 0.0, 1e-9])
    drawn = [Text(f"{curve.title}, at the most {max(shown, default=0):.4g}", style="bold")]
    for row in range(ROWS - 1, -1, -1):
        label = top * (row + 1) / ROWS
        line = "".join(block(value / top * ROWS - row) for value in shown)
        marked = curve.mark is not None and row < curve.mark / top * ROWS <= row + 1
        drawn.append(
            Text(f"{label:>{LABEL}.4g} ", style="dim")
            + Text(line.replace(" ", "╌") if marked else line, style=curve.style)
        )
    return drawn


def highest_values(values: Sequence[float], width: int) -> list[float]:
    """Return the highest value in each of at most ``width`` equal parts."""
    count = min(width, len(values))
    bounds = [len(values) * number // count for number in range(count + 1)] if count else [0]
    return [max(values[begin:end]) for begin, end in pairwise(bounds)]


def block(filled: float) -> str:
    """Return the character for a cell filled from the bottom to this fraction."""
    return BLOCKS[min(8, max(0, round(filled * 8)))]
