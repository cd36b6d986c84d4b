"""How large an image becomes before a model sees it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.errors import InvalidInputs
from serval.short_repr import short_repr
from serval.tasks.files import TaskUnreadable
from serval.tasks.image.decode import MAX_PIXELS

Size = tuple[int, int]
"""Height and width, in pixels."""
KEYS = {"height", "width", "shortest_edge", "longest_edge", "max_height", "max_width"}


@dataclass(frozen=True, slots=True)
class SizeRule:
    """What ``size`` of a preprocessor says; 0 is nothing."""

    height: int = 0
    width: int = 0
    shortest_edge: int = 0
    longest_edge: int = 0
    max_height: int = 0
    max_width: int = 0
    multiple: int = 1
    """Sides are rounded to multiples of this: down if ``round_down``, else up."""
    round_down: bool = False

    @property
    def fixed(self) -> Size | None:
        """The size, if it does not depend on that of the image."""
        return (self.height, self.width) if self.height and self.width else None

    def of(self, height: int, width: int) -> Size:
        """Return the size to which an image is resized."""
        if self.shortest_edge:
            size = keep_aspect(height, width, self.shortest_edge, self.longest_edge)
        elif self.max_height and self.max_width:
            scale = min(self.max_height / height, self.max_width / width)
            size = (int(height * scale), int(width * scale))
        else:
            size = (self.height, self.width)
        rounding = math.floor if self.round_down else math.ceil
        return (
            rounding(size[0] / self.multiple) * self.multiple,
            rounding(size[1] / self.multiple) * self.multiple,
        )


def keep_aspect(height: int, width: int, shortest: float, longest: int = 0) -> Size:
    """Return the size whose shorter side is ``shortest``, and whose longer at most ``longest``."""
    short, long = sorted((height, width))
    side = int(shortest)
    if longest and long / short * shortest > longest:
        shortest = longest * short / long
        side = round(shortest)
    if short == side:
        return height, width
    other = int(shortest * long / short)
    return (other, side) if width < height else (side, other)


def check_size(size: Size, index: int, image: Size) -> None:
    """Refuse an image that no rule makes presentable.

    Raises
    ------
    InvalidInputs
        If a side would vanish, or there would be more than 50,000,000 pixels.
    """
    height, width = size
    if min(size) < 1 or height * width > MAX_PIXELS:
        raise InvalidInputs(
            f"input {index}: an image of {image[1]} x {image[0]} is too narrow: the model takes it "
            f"as {width} x {height}"
        )


def read_size(value: Any, where: str, *, square: bool = True, longest: int | None = None) -> Size:
    """Read a fixed size: ``{height, width}``, two numbers, or one.

    Raises
    ------
    TaskUnreadable
        If it is none of these.
    """
    fixed = read_rule(value, where, square=square, longest=longest).fixed
    if fixed is None:
        raise TaskUnreadable(f"{where}: {short_repr(value)} found, a height and a width expected")
    return fixed


def read_rule(
    value: Any, where: str, *, square: bool = True, longest: int | None = None
) -> SizeRule:
    """Read ``size`` as preprocessors have written it over the years.

    Parameters
    ----------
    square
        Whether a single number is both sides; else it is the shorter one.
    longest
        Limit of the longer side, which old configs keep in ``max_size``.

    Raises
    ------
    TaskUnreadable
        If it names no size.
    """
    if _is_side(value):
        value = {"height": value, "width": value} if square else {"shortest_edge": value}
    elif isinstance(value, list | tuple) and len(value) == 2:
        value = {"height": value[0], "width": value[1]}
    if not isinstance(value, Mapping):
        raise TaskUnreadable(f"{where}: {short_repr(value)} found, a size in pixels expected")
    sides = {key: side for key, side in value.items() if key in KEYS and side is not None}
    if "shortest_edge" in sides and longest and "longest_edge" not in sides:
        sides["longest_edge"] = longest
    if not all(_is_side(side) for side in sides.values()) or not _enough(sides):
        raise TaskUnreadable(
            f"{where}: {short_repr(value)} found; height and width, shortest_edge, or max_height "
            "and max_width expected"
        )
    return SizeRule(**{key: math.floor(side) for key, side in sides.items()})


def _is_side(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e5


def _enough(sides: Mapping[str, Any]) -> bool:
    return (
        "shortest_edge" in sides
        or {"height", "width"} <= sides.keys()
        or {"max_height", "max_width"} <= sides.keys()
    )
