"""The curves that the charts of a simulation show, with a value per minute."""

from collections.abc import Sequence
from dataclasses import dataclass

from serval_cli.simulation.world import World


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over time."""

    title: str
    values: Sequence[float]
    style: str
    """A colour that both rich and matplotlib know."""
    mark: float | None = None
    """A height to mark."""


def compute_curves(world: World) -> list[Curve]:
    """Compute the curves of a simulation."""
    samples = world.samples
    return [
        Curve("requests a second", [sample.came / 60 for sample in samples], "blue"),
        Curve("machines asked for", [float(sample.asked) for sample in samples], "cyan"),
        Curve("workers", [float(sample.working) for sample in samples], "green"),
        Curve(
            "age of the oldest request that waits, seconds",
            [sample.oldest_age for sample in samples],
            "red",
            mark=float(world.fleet.target_age_seconds),
        ),
    ]
