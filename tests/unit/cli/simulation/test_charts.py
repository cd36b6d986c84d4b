"""Charts in the terminal, and as a picture."""

import builtins
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from serval_cli.failures import CommandFailed
from serval_cli.simulation.arrivals import open_trace
from serval_cli.simulation.assumptions import Assumptions
from serval_cli.simulation.charts import draw_charts, highest_values
from serval_cli.simulation.fleet_choice import default_fleet
from serval_cli.simulation.picture import draw_picture
from serval_cli.simulation.world import World


@pytest.fixture(scope="module")
def world() -> World:
    made = World(default_fleet(), Assumptions(), 1)
    made.run(open_trace("evening:60", 1, 1).times, lambda at: None)
    return made


def test_columns_show_the_highest_value_of_their_time() -> None:
    assert highest_values([1, 5, 2, 9, 3, 3], 3) == [5, 9, 3]
    assert highest_values([1, 2], 80) == [1, 2]
    assert highest_values([], 80) == []


def test_every_curve_is_drawn_in_the_width_there_is(world: World) -> None:
    console = Console(width=70, file=io.StringIO())
    console.print(draw_charts(world, 70))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert all(len(line) <= 70 for line in text.splitlines())
    for title in ("requests a second", "machines asked for", "workers", "age of the oldest"):
        assert title in text
    assert "█" in text
    assert "╌" in text, "the target age"


def test_a_picture_is_written(world: World, tmp_path: Path) -> None:
    draw_picture(world, "an evening", tmp_path / "evening.png")

    assert (tmp_path / "evening.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_remedy_is_said(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(CommandFailed, match=r"pip install '\.\[simulation\]'"):
        draw_picture(world, "an evening", tmp_path / "evening.png")
