"""Which columns of a table fill which inputs of a model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serval.errors import BatchRefused
from serval.signatures import TensorSpec

NUMBERED = ("{name}_{index}", "{name}.{index}", "{name}[{index}]")
"""How the columns of an input with several elements may be called."""
LISTED = 12


@dataclass(frozen=True, slots=True)
class InputColumns:
    """The columns of one input, in the order of its elements."""

    spec: TensorSpec
    columns: tuple[str, ...]

    @property
    def extents(self) -> tuple[int, ...]:
        """Give the shape of one row's elements."""
        return self.spec.shape[1:]


def input_columns(
    inputs: Sequence[TensorSpec],
    columns: Sequence[str],
    mapping: Mapping[str, Sequence[str]],
) -> list[InputColumns]:
    """Find the columns of every input: as mapped, else by name, else by order.

    By order the first columns fill the inputs as the signature lists them; what is left over is
    passed through.

    Raises
    ------
    BatchRefused
        If an input has no columns, or too many or too few, or its extents vary.
    """
    widths = {spec.name: _width(spec) for spec in inputs}
    if unknown := sorted(mapping.keys() - widths.keys()):
        raise BatchRefused(
            f"columns: {unknown[0]!r} is no input: the model takes {', '.join(widths)}"
        )
    if mapping:
        found = {name: tuple(mapping.get(name, ())) or _named(name, widths[name], columns)
                 for name in widths}  # fmt: skip
    else:
        found = {name: _named(name, widths[name], columns) for name in widths}
        if not all(found.values()):
            found = _in_order(widths, columns)
    for name, own in found.items():
        _check(name, widths[name], own, columns)
    return [InputColumns(spec, found[spec.name]) for spec in inputs]


def _width(spec: TensorSpec) -> int:
    if not spec.shape or spec.shape[0] != -1:
        raise BatchRefused(
            f"input {spec.name!r} has shape {list(spec.shape)}: a batch job needs a model whose "
            "first extent varies (-1), so that rows can be run together"
        )
    if -1 in spec.shape[1:]:
        raise BatchRefused(
            f"input {spec.name!r} has shape {list(spec.shape)}: extents that vary do not fit "
            "columns; send the rows as JSONL"
        )
    return math.prod(spec.shape[1:])


def _named(name: str, width: int, columns: Sequence[str]) -> tuple[str, ...]:
    if width == 1 and name in columns:
        return (name,)
    for pattern in NUMBERED:
        numbered = tuple(pattern.format(name=name, index=index) for index in range(width))
        if set(numbered) <= set(columns):
            return numbered
    return ()


def _in_order(widths: Mapping[str, int], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    needed = sum(widths.values())
    if needed > len(columns):
        raise BatchRefused(
            f"the file has {len(columns)} columns ({_listed(columns)}), and the inputs "
            f"{', '.join(widths)} need {needed}: is the delimiter right? Else name them in "
            "'columns', as {\"" + next(iter(widths)) + '": ["first", "second"]}'
        )
    found, start = {}, 0
    for name, width in widths.items():
        found[name] = tuple(columns[start : start + width])
        start += width
    return found


def _check(name: str, width: int, own: Sequence[str], columns: Sequence[str]) -> None:
    if missing := [column for column in own if column not in columns]:
        raise BatchRefused(
            f"columns: input {name!r}: the file has no column {missing[0]!r}; it has "
            f"{_listed(columns)}"
        )
    if len(own) != width:
        raise BatchRefused(f"columns: input {name!r} takes {width} for a row, {len(own)} given")


def _listed(columns: Sequence[str]) -> str:
    more = len(columns) - LISTED
    listed = ", ".join(map(repr, columns[:LISTED]))
    return f"{listed} and {more} more" if more > 0 else listed
