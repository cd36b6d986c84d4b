"""Detection of a CSV header, and the names of its columns."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from serval.batch.input.column_names import quoted_list
from serval.errors import BatchRefused

NUMBER = re.compile(
    r"\s*[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?\s*|\s*[-+]?(nan|inf(inity)?)\s*", re.I
)
INTEGER = re.compile(r"\d+")
DECIMAL = re.compile(r"[-+]?\d*[.,]\d*([eE][-+]?\d+)?")


def names_of(fields: Sequence[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the column names of a header; a column without a name is named by its position.

    Returns
    -------
    tuple
        All names, and those that are not in the file.

    Raises
    ------
    BatchRefused
        If a name is repeated, or there are no names at all.
    """
    stripped = [field.strip() for field in fields]
    given = [name for name in stripped if name]
    if not given:
        raise BatchRefused("the header names no column")
    name, times = Counter(given).most_common(1)[0]
    if times > 1:
        raise BatchRefused(f"the header has column {name!r} more than once")
    taken = set(given)
    names, made = [], set()
    for index, own in enumerate(stripped):
        name = own or f"column_{index}"
        while not own and name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
        made.update([] if own else [name])
    return tuple(names), frozenset(made)


def has_header(
    rows: Sequence[Sequence[str]], needed: int, names: set[str], chosen: Sequence[str]
) -> bool:
    """Return whether the first record names columns.

    Parameters
    ----------
    needed
        Number of columns that the inputs take.
    names
        Possible names of columns, derived from the inputs.
    chosen
        Columns that the job or the model names.

    Raises
    ------
    BatchRefused
        If it might also be a record.
    """
    first = [field.strip() for field in rows[0]]
    texts = [field for field in first if field and not NUMBER.fullmatch(field)]
    if set(chosen) & set(first) or _folded([*names, *chosen]) & _folded(texts):
        return True
    if not texts:
        return _ask(first) if _may_number_columns(first, rows[1:], names) else False
    over_numbers = _over_numbers(first, rows[1:])
    if any(NUMBER.fullmatch(field) for field in first):
        return _ask(first) if over_numbers else False
    # With too few columns it does not matter: the refusal has to say that there are too few.
    return True if over_numbers or len(first) < needed else _ask(first)


def _may_number_columns(
    first: Sequence[str], rows: Sequence[Sequence[str]], names: set[str]
) -> bool:
    """Return whether a record of numbers might be a header of numbers."""
    given = [field for field in first if field]
    if len(set(given)) < len(given) or not all(INTEGER.fullmatch(field) for field in given):
        return False
    counted = given == [str(index) for index in range(len(given))]
    return bool(given) and (counted or bool(names & set(given)) or _decimals(rows, len(first)))


def _decimals(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Return whether the records of this width contain only decimals."""
    alike = [row for row in rows if len(row) == width]
    return bool(alike) and all(
        DECIMAL.fullmatch(field.strip()) for row in alike for field in row if field.strip()
    )


def _over_numbers(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a text of the first record stands above a number."""
    return any(
        own and not NUMBER.fullmatch(own) and NUMBER.fullmatch(field)
        for row in rows
        for own, field in zip(first, row, strict=False)
    )


def _folded(names: Sequence[str]) -> set[str]:
    return {name.casefold() for name in names}


def _ask(first: Sequence[str]) -> NoReturn:
    raise BatchRefused(
        f"the first record, {quoted_list(first)[:200]}, may be a header or not: say which with "
        "'csv': {'header': true} or false"
    )
