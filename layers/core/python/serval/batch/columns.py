"""Which columns of a table fill which inputs of a model."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serval.batch.column_names import Names, element_names, numbered_names, quoted_list, suggested
from serval.errors import BatchRefused
from serval.signatures import TensorSpec

By = Literal["name", "case", "columns", "position"]
"""How columns were found: as they are called, but for capital letters, as chosen, or in order."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class InputColumns:
    """The columns of one input, in the order of its elements."""

    spec: TensorSpec
    columns: tuple[str, ...]
    by: By = "name"

    @property
    def extents(self) -> tuple[int, ...]:
        """Give the shape of one row's elements."""
        return self.spec.shape[1:]

    def to_json(self) -> dict[str, Any]:
        """Describe the match, as documents of a job show it; of many columns the first."""
        more = len(self.columns) - SHOWN
        shown = [*self.columns[:SHOWN], *([f"… {more} more"] if more > 0 else [])]
        return {"input": self.spec.name, "columns": shown, "by": self.by}


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What a job and its model say of columns."""

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input → its columns, as the job says."""
    features: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input → what its elements are called, as ``model.yaml`` says."""
    positional: bool = False
    """Whether the first columns fill the inputs, whatever they are called."""

    @property
    def names(self) -> list[str]:
        """List every column that is named."""
        mappings = (*self.columns.values(), *self.features.values())
        return [column for own in mappings for column in own]


NOTHING_CHOSEN = ColumnChoice()


def input_columns(
    inputs: Sequence[TensorSpec],
    columns: Sequence[str],
    chosen: ColumnChoice = NOTHING_CHOSEN,
    *,
    named: Sequence[str] | None = None,
    partitions: Sequence[str] = (),
) -> list[InputColumns]:
    """Find the columns of every input; nothing is guessed.

    Where there are names, an input has the columns that the job chose, or those that are called as
    its elements are. Without names, or if the job says so, the columns fill the inputs in order.

    Parameters
    ----------
    columns
        Of the file, in its order.
    named
        Those that its header names; empty: there is none; None: all of them.
    partitions
        Columns that stand in the keys of files: found by name alone.

    Raises
    ------
    BatchRefused
        If an input has no columns, or too many or too few, or its extents vary.
    """
    widths = {spec.name: width_of(spec) for spec in inputs}
    if unknown := sorted(chosen.columns.keys() - widths.keys()):
        raise BatchRefused(
            f"columns: {unknown[0]!r} is no input: the model takes {', '.join(widths)}"
        )
    names = Names(columns, columns if named is None else named)
    if chosen.positional or not (names.named or chosen.columns):
        found = _in_order(widths, names, chosen)
    else:
        names = Names([*columns, *partitions], [*names.named, *partitions])
        found = _by_name(widths, names, chosen)
    return [InputColumns(spec, *found[spec.name]) for spec in inputs]


def width_of(spec: TensorSpec) -> int:
    """Count the elements of a row, each of which takes a column."""
    if not spec.shape or spec.shape[0] not in (-1, 1):
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


Found = dict[str, tuple[tuple[str, ...], By]]


def _in_order(widths: Mapping[str, int], names: Names, chosen: ColumnChoice) -> Found:
    if chosen.columns:
        raise BatchRefused("columns: they are chosen by 'positional' too: leave one of the two out")
    usable = names.named or names.all
    needed = sum(widths.values())
    if needed > len(usable):
        raise BatchRefused(_too_few(widths, usable))
    if needed < len(usable) and not chosen.positional:
        raise BatchRefused(
            f"the file has {len(usable)} columns and no header, and the inputs "
            f"{', '.join(widths)} need {needed}: choose with 'columns', as "
            f"{suggested(_cut(widths, usable))}, or take the first {needed} with "
            "'positional': true (--positional)"
        )
    return {name: (own, "position") for name, own in _cut(widths, usable).items()}


def _cut(widths: Mapping[str, int], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Deal columns out in the order of the inputs."""
    found, start = {}, 0
    for name, width in widths.items():
        found[name] = tuple(columns[start : start + width])
        start += width
    return found


def _by_name(widths: Mapping[str, int], names: Names, chosen: ColumnChoice) -> Found:
    found: Found = {}
    for name, width in widths.items():
        own = chosen.columns.get(name)
        if own is not None:
            found[name] = _chosen(name, width, own, names)
            continue
        match = names.match(_tiers(name, widths, names, chosen))
        if match is not None:
            found[name] = match[0], "case" if match[1] else "name"
    if missing := [name for name in widths if name not in found]:
        raise BatchRefused(_unnamed(missing[0], widths, names, chosen, found))
    _check_once(found)
    return found


def _chosen(name: str, width: int, own: Sequence[str], names: Names) -> tuple[tuple[str, ...], By]:
    match = names.match([[tuple(own)]], every=True)
    if match is None:
        missing = next(column for column in own if not names.has(column))
        raise BatchRefused(
            f"columns: input {name!r}: the file has no column {missing!r}; it has "
            f"{quoted_list(names.all)}"
        )
    if len(own) != width:
        raise BatchRefused(f"columns: input {name!r} takes {width} for a row, {len(own)} given")
    return match[0], "case" if match[1] else "columns"


def _tiers(
    name: str, widths: Mapping[str, int], names: Names, chosen: ColumnChoice
) -> list[list[tuple[str, ...]]]:
    """List what the columns of an input may be called, as ``Names.match`` takes it."""
    width = widths[name]
    features = tuple(chosen.features.get(name, ()))
    own = [features] if len(features) == width else []
    numbered = element_names(name, width)
    bare = tuple(map(str, range(width)))
    if len(widths) == 1 and set(bare) == {each for each in names.named if each.isdecimal()}:
        numbered.append(bare)
    return [own, [(name,)] if width == 1 else [], numbered]


def _check_once(found: Found) -> None:
    """Refuse a column that was taken for two elements because capital letters were passed over."""
    times = Counter(column for own, by in found.values() if by != "columns" for column in own)
    for own, by in found.values():
        if by == "case" and (twice := [column for column in own if times[column] > 1]):
            raise BatchRefused(
                f"column {twice[0]!r} would fill two elements of the inputs: choose with 'columns'"
            )


def _unnamed(
    name: str, widths: Mapping[str, int], names: Names, chosen: ColumnChoice, found: Found
) -> str:
    """Say that no columns are called as an input is, and which ones there are."""
    needed = sum(widths.values())
    if needed > len(names.named):
        return _too_few(widths, names.named)
    wished = next(tier[0] for tier in _tiers(name, widths, names, chosen) if tier)
    alike = names.alike(wished)
    if alike is None:
        fitting = {**_cut(widths, names.named), **{key: own for key, (own, _) in found.items()}}
    else:
        fitting = {name: alike}
    return (
        f"no columns are called as input {name!r} is ({quoted_list(wished, 4)}); the file has "
        f"{quoted_list(names.named)}: choose with 'columns', as {suggested(fitting)}, or take the "
        f"first {needed} in order with 'positional': true (--positional)"
    )


def _too_few(widths: Mapping[str, int], columns: Iterable[str]) -> str:
    listed = list(columns)
    first = next(iter(widths))
    return (
        f"the file has {len(listed)} columns ({quoted_list(listed)}), and the inputs "
        f"{', '.join(widths)} need {sum(widths.values())}: is the delimiter right? Else name them "
        f"in 'columns', as {suggested({first: ['first', 'second']})}"
    )


def possible_names(spec: TensorSpec) -> set[str]:
    """List what the first column of an input may be called."""
    return numbered_names(spec.name)
