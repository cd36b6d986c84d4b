"""Matching of a table's columns to the inputs of a model."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serval.batch.input.column_refusals import (
    describe_missing,
    no_header,
    quoted_list,
    too_few_columns,
)
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

By = Literal["name", "case", "columns", "position"]
"""How columns were found: by name, by name in another case, by the job's choice, or by position."""
SHOWN = 20
SHOWN_CHARACTERS = 40
"""Of a value of the first record."""
NO_RECORD: Mapping[str, str] = {}
NUMBERED = ("{name}_{index}", "{name}.{index}", "{name}[{index}]")
"""Names that the columns of an input with several elements may have."""


@dataclass(slots=True)
class ColumnNames:
    """The columns of a file."""

    all: Sequence[str]
    named: Sequence[str]
    """Columns that the file itself names."""
    _known: set[str] = field(init=False)
    _folded: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = set(self.named)
        self._folded = {}
        for name in self.named:
            self._folded.setdefault(name.casefold(), []).append(name)

    def has(self, name: str) -> bool:
        """Return whether there is such a column, in upper or lower case."""
        return name in self.all or name.casefold() in self._folded

    def match(
        self, tiers: Sequence[Sequence[tuple[str, ...]]], *, every: bool = False
    ) -> tuple[tuple[str, ...], bool] | None:
        """Find columns by name; also return whether only their case differs.

        Parameters
        ----------
        tiers
            Possible names, each a complete tuple; an earlier tier takes precedence.
        every
            Whether columns that the file does not name count, under their generated names.

        Raises
        ------
        BatchRefused
            If two of one tier match.
        """
        known = set(self.all) if every else self._known
        for tier in tiers:
            if exact := [wished for wished in tier if known.issuperset(wished)]:
                return _require_one(exact), False
        for tier in tiers:
            if alike := [own for one in tier if (own := self._match_other_case(one, known))]:
                return _require_one(alike), True
        return None

    def _match_other_case(self, wished: tuple[str, ...], known: set[str]) -> tuple[str, ...] | None:
        found: list[str] = []
        for name in wished:
            alike = [name] if name in known else self._folded.get(name.casefold(), [])
            if not alike:
                return None
            if len(alike) > 1:
                raise BatchRefused(
                    f"columns {quoted_list(alike)} are both called as {name!r} is, but for capital "
                    "letters: choose with 'columns'"
                )
            found += alike
        # One column in place of two with the same name would be a guess.
        return tuple(found) if len(set(found)) == len(set(wished)) else None


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
        expected = {spec.name: _tiers(spec.name, widths, names, chosen) for spec in missing}
        taken = {column for own, _ in found.values() for column in own}
        raise BatchRefused(describe_missing(missing, widths, names, expected, taken, texts))
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


def element_names(name: str, width: int) -> list[tuple[str, ...]]:
    """List the possible names of an input's columns."""
    return [
        tuple(pattern.format(name=name, index=index) for index in range(width))
        for pattern in NUMBERED
    ]


def numbered_names(name: str) -> set[str]:
    """List the possible names of an input's first column."""
    return {name, *(pattern.format(name=name, index=0) for pattern in NUMBERED)}


def _require_one(found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    if len(set(found)) > 1:
        raise BatchRefused(
            f"columns {quoted_list(found[0], 2)} and {quoted_list(found[1], 2)} are both called as "
            "one input is: choose with 'columns'"
        )
    return found[0]
