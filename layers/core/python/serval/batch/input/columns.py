"""Matching of a table's columns to the inputs of a model."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serval.batch.input.column_names import ColumnNames, element_names, quoted_list
from serval.batch.input.column_refusals import (
    missing_columns,
    no_header,
    too_few_columns,
    unmatched_columns,
)
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

By = Literal["name", "case", "columns", "position"]
"""How columns were found: by name, by name in another case, by the job's choice, or by position."""
SHOWN = 20
SHOWN_CHARACTERS = 40
"""Of a value of the first record."""
NO_RECORD: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class InputColumns:
    """The columns of one input, in the order of its elements."""

    spec: TensorSpec
    columns: tuple[str, ...]
    by: By = "name"

    @property
    def extents(self) -> tuple[int, ...]:
        """Shape of one row of the input."""
        return self.spec.shape[1:]

    def to_json(self, first: Mapping[str, str] = NO_RECORD) -> dict[str, Any]:
        """Describe the match for documents of a job; of many columns only the first.

        Parameters
        ----------
        first
            Column → its text in the first record, which is shown where known.
        """
        more = len(self.columns) - SHOWN
        shown = [*self.columns[:SHOWN], *([f"… {more} more"] if more > 0 else [])]
        match: dict[str, Any] = {"input": self.spec.name, "columns": shown, "by": self.by}
        if first:
            texts = [first.get(name) for name in self.columns[:SHOWN]]
            match["first"] = [text and text[:SHOWN_CHARACTERS] for text in texts]
        return match


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What a job and its model say about columns."""

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input → its columns, chosen by the job."""
    features: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input → names of its elements, from ``model.yaml``."""
    positional: bool = False
    """Whether the first columns fill the inputs, whatever their names."""

    @property
    def names(self) -> list[str]:
        """Every column that is named."""
        mappings = (*self.columns.values(), *self.features.values())
        return [column for own in mappings for column in own]


NO_CHOICE = ColumnChoice()


def match_columns(
    inputs: Sequence[TensorSpec],
    columns: Sequence[str],
    chosen: ColumnChoice = NO_CHOICE,
    *,
    named: Sequence[str] | None = None,
    partitions: Sequence[str] = (),
    texts: Collection[str] = (),
) -> list[InputColumns]:
    """Find the columns of every input; nothing is guessed.

    With names, an input takes the columns that the job chose, or those named like its elements.
    Without names, or if the job is positional, the columns fill the inputs in order.

    Parameters
    ----------
    columns
        Columns of the file, in its order.
    named
        Those that its header names; empty without a header; None: all of them.
    partitions
        Columns whose values are in the keys of files; they match by name only.
    texts
        Columns that contain text, which are not suggested for inputs of numbers.

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
    names = ColumnNames(columns, columns if named is None else named)
    if chosen.positional or not (names.named or chosen.columns):
        found = _match_in_order(widths, names, chosen)
    else:
        names = ColumnNames([*columns, *partitions], [*names.named, *partitions])
        found = _match_by_name(inputs, names, chosen, texts)
    return [InputColumns(spec, *found[spec.name]) for spec in inputs]


def width_of(spec: TensorSpec) -> int:
    """Return the number of elements in a row, each of which takes a column."""
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


def _match_in_order(widths: Mapping[str, int], names: ColumnNames, chosen: ColumnChoice) -> Found:
    if chosen.columns:
        raise BatchRefused("columns: they are chosen by 'positional' too: leave one of the two out")
    usable = names.named or names.all
    needed = sum(widths.values())
    if needed > len(usable):
        raise BatchRefused(too_few_columns(widths, usable))
    if needed < len(usable) and not chosen.positional:
        raise BatchRefused(no_header(widths, usable))
    return {name: (own, "position") for name, own in _distribute(widths, usable).items()}


def _distribute(widths: Mapping[str, int], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Distribute columns in the order of the inputs."""
    found, start = {}, 0
    for name, width in widths.items():
        found[name] = tuple(columns[start : start + width])
        start += width
    return found


def _match_by_name(
    inputs: Sequence[TensorSpec], names: ColumnNames, chosen: ColumnChoice, texts: Collection[str]
) -> Found:
    found: Found = {}
    widths = {spec.name: width_of(spec) for spec in inputs}
    for name, width in widths.items():
        own = chosen.columns.get(name)
        if own is not None:
            found[name] = _match_choice(name, width, own, names)
            continue
        match = names.match(_tiers(name, widths, names, chosen))
        if match is not None:
            found[name] = match[0], "case" if match[1] else "name"
    if missing := [spec for spec in inputs if spec.name not in found]:
        raise BatchRefused(_describe_missing(missing, widths, names, chosen, found, texts))
    _check_once(found)
    return found


def _match_choice(
    name: str, width: int, own: Sequence[str], names: ColumnNames
) -> tuple[tuple[str, ...], By]:
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
    name: str, widths: Mapping[str, int], names: ColumnNames, chosen: ColumnChoice
) -> list[list[tuple[str, ...]]]:
    """List the possible names of an input's columns, as ``ColumnNames.match`` takes them."""
    width = widths[name]
    features = tuple(chosen.features.get(name, ()))
    own = [features] if len(features) == width else []
    numbered = element_names(name, width)
    bare = tuple(map(str, range(width)))
    if len(widths) == 1 and set(bare) == {each for each in names.named if each.isdecimal()}:
        numbered.append(bare)
    return [own, [(name,)] if width == 1 else [], numbered]


def _check_once(found: Found) -> None:
    """Refuse a column that would fill two elements because case was ignored."""
    times = Counter(column for own, by in found.values() if by != "columns" for column in own)
    for own, by in found.values():
        if by == "case" and (twice := [column for column in own if times[column] > 1]):
            raise BatchRefused(
                f"column {twice[0]!r} would fill two elements of the inputs: choose with 'columns'"
            )


def _describe_missing(
    missing: Sequence[TensorSpec],
    widths: Mapping[str, int],
    names: ColumnNames,
    chosen: ColumnChoice,
    found: Found,
    texts: Collection[str],
) -> str:
    """Return why inputs have no columns."""
    tiers = {spec.name: _closest_names(spec.name, widths, names, chosen) for spec in missing}
    absent = {name: tuple(c for c in own if not names.has(c)) for name, own in tiers.items()}
    if found or any(len(absent[name]) < len(own) for name, own in tiers.items()):
        wished = tiers[missing[0].name]
        if all(absent.values()) and not names.find_similar(wished):
            return missing_columns(absent, tiers, names)
    if sum(widths.values()) > len(names.named):
        return too_few_columns(widths, names.named)
    taken = {column for own, _ in found.values() for column in own}
    free = [name for name in names.named if name not in taken]
    return unmatched_columns(missing, widths, names, tiers[missing[0].name], free, texts)


def _closest_names(
    name: str, widths: Mapping[str, int], names: ColumnNames, chosen: ColumnChoice
) -> tuple[str, ...]:
    """Return those possible names of an input's columns of which the file has most."""
    wished = [own for tier in _tiers(name, widths, names, chosen) for own in tier]
    return max(wished, key=lambda own: sum(map(names.has, own)))
