"""Refusals of columns that do not fill the inputs, with how to choose: order is never guessed."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from serval.models.signature import TensorSpec
from serval.short_repr import LIMIT_CHARACTERS, short_repr

LISTED = 12
INSIGNIFICANT = re.compile(r"[\W_]+")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
TRAINED = "in the order that the model was trained in"
OPEN = "…"
"""Stands for a name that only the user knows."""
Tier = tuple[str, ...]


class NamedColumns(Protocol):
    """The columns of a file, as ``ColumnNames`` has them."""

    all: Sequence[str]
    named: Sequence[str]

    def has(self, name: str) -> bool:
        """Return whether there is such a column, in upper or lower case."""


def describe_missing(
    missing: Sequence[TensorSpec],
    widths: Mapping[str, int],
    names: NamedColumns,
    expected: Mapping[str, Sequence[Sequence[Tier]]],
    taken: Collection[str],
    texts: Collection[str],
) -> str:
    """Return why inputs have no columns.

    Parameters
    ----------
    missing
        The inputs without columns.
    expected
        Input → possible names of its columns, in tiers.
    taken
        Columns that fill other inputs.
    texts
        Columns that contain text.
    """
    tiers = {spec.name: _closest_names(expected[spec.name], names) for spec in missing}
    absent = {name: tuple(c for c in own if not names.has(c)) for name, own in tiers.items()}
    if taken or any(len(absent[name]) < len(own) for name, own in tiers.items()):
        wished = tiers[missing[0].name]
        if all(absent.values()) and not find_similar(names.named, wished):
            return missing_columns(absent, tiers, names)
    if sum(widths.values()) > len(names.named):
        return too_few_columns(widths, names.named)
    free = [name for name in names.named if name not in taken]
    return unmatched_columns(missing, widths, names, tiers[missing[0].name], free, texts)


def _closest_names(tiers: Sequence[Sequence[Tier]], names: NamedColumns) -> Tier:
    """Return those possible names of an input's columns of which the file has most."""
    expected = [own for tier in tiers for own in tier]
    return max(expected, key=lambda own: sum(map(names.has, own)))


def too_few_columns(widths: Mapping[str, int], columns: Sequence[str]) -> str:
    """Explain that the inputs need more columns than there are."""
    said = (
        f"the file has {len(columns)} columns ({quoted_list(columns)}), and the inputs "
        f"{', '.join(widths)} need {sum(widths.values())}: "
    )
    delimiter = "is the delimiter right? Else " if len(columns) == 1 else ""
    return f"{said}{delimiter}name them in 'columns', {TRAINED}, as {write_placeholders(widths)}"


def no_header(widths: Mapping[str, int], columns: Sequence[str]) -> str:
    """Explain that a file without a header has more columns than the inputs need."""
    needed = sum(widths.values())
    return (
        f"the file has {len(columns)} columns and no header, and the inputs {', '.join(widths)} "
        f"need {needed}: name them in 'columns', {TRAINED}, as {write_placeholders(widths)}; they "
        f"are called {quoted_list(columns)}. Or take the first {needed} with 'positional': true "
        "(--positional)"
    )


def missing_columns(
    absent: Mapping[str, Tier], tiers: Mapping[str, Tier], names: NamedColumns
) -> str:
    """Explain which columns are missing, where others have the expected names."""
    columns = [column for own in absent.values() for column in own]
    form = {
        name: [OPEN if column in absent[name] else column for column in tiers[name]]
        for name in absent
    }
    takes = "which input" if len(absent) == 1 else "which inputs"
    return (
        f"the file has no column {quoted_list(columns)}, {takes} {quoted_list([*absent])} "
        f"{'takes' if len(absent) == 1 else 'take'}; it has {quoted_list(names.all)}: if one of "
        f"them is meant, choose with 'columns', as {write_choice(form)}"
    )


def unmatched_columns(
    specs: Sequence[TensorSpec],
    widths: Mapping[str, int],
    names: NamedColumns,
    wished: Sequence[str],
    free: Sequence[str],
    texts: Collection[str],
) -> str:
    """Explain that no columns have the expected names, and which ones there are.

    Parameters
    ----------
    specs
        Inputs without columns, of which the first is named.
    wished
        Expected column names of the first.
    free
        Columns that fill no other input.
    texts
        Columns that contain text.
    """
    first, needed = specs[0], sum(widths.values())
    said = (
        f"no columns are called as input {first.name!r} is ({quoted_list(wished, 4)}); the file "
        f"has {quoted_list(names.named)}: "
    )
    if alike := find_similar(names.named, wished):
        said += f"choose with 'columns', as {write_choice({first.name: alike})}"
    else:
        said += f"name them in 'columns', {TRAINED}, {_suggestion(specs, widths, free, texts)}"
    return (
        f"{said}; or take the first {needed} in the file's order with 'positional': true "
        "(--positional)"
    )


def write_placeholders(widths: Mapping[str, int]) -> str:
    """Write a choice of columns with placeholders for names."""
    return write_choice({name: _placeholders(width) for name, width in widths.items()})


def _placeholders(width: int) -> list[str]:
    if width == 1:
        return [OPEN]
    return [*ORDINALS[:width], *([OPEN] if width > len(ORDINALS) else [])]


def _suggestion(
    specs: Sequence[TensorSpec],
    widths: Mapping[str, int],
    free: Sequence[str],
    texts: Collection[str],
) -> str:
    first = specs[0]
    fitting = [name for name in free if first.datatype == "BYTES" or name not in texts]
    if len(specs) > 1 or len(fitting) != widths[first.name]:
        return f"as {write_placeholders({spec.name: widths[spec.name] for spec in specs})}"
    return (
        f"which may not be the file's; if it is, that is {write_choice({first.name: fitting})}"
        if len(fitting) > 1
        else f"as {write_choice({first.name: fitting})}"
    )


def quoted_list(names: Sequence[str], most: int = LISTED) -> str:
    """Join quoted names; of many only the first, and of a long one its ends."""
    more = len(names) - most
    listed = ", ".join(map(short_repr, names[:most]))
    return f"{listed} and {more} more" if more > 0 else listed


def write_choice(mapping: Mapping[str, Sequence[str]]) -> str:
    """Write a choice of columns as the job's options take it."""
    shown = {
        name: [
            *(column if len(column) <= LIMIT_CHARACTERS else OPEN for column in own[:LISTED]),
            *([OPEN] if len(own) > LISTED else []),
        ]
        for name, own in mapping.items()
    }
    return json.dumps(shown, ensure_ascii=False)


def find_similar(names: Sequence[str], wished: Sequence[str]) -> Tier | None:
    """Find columns whose names differ only in spaces, punctuation and case."""
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(_normalise(name), []).append(name)
    found = [plain.get(_normalise(name), []) for name in wished]
    if any(len(each) != 1 for each in found):
        return None
    return tuple(each[0] for each in found)


def _normalise(name: str) -> str:
    return INSIGNIFICANT.sub("", name.casefold())
