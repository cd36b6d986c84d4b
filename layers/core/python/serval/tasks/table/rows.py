"""Tables as people send them, turned into rows."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serval.errors import InvalidInputs
from serval.foreign import refusing
from serval.short_repr import short_repr

Row = dict[str, Any]
DELIMITERS = ",;\t"
SPLIT = ({"columns", "data"}, {"columns", "data", "index"})
"""The members of a table whose header stands apart, as pandas writes with ``orient="split"``."""
FORMS = (
    "a list of records, an object of columns with a list of values each, {'columns': [names], "
    "'data': [rows]}, or CSV with a header expected"
)


def read_rows(table: Any) -> list[Row]:
    """Return the rows of a table, each as column → value.

    Values stay as they are; an empty cell of CSV is None. It is left to a task to turn texts into
    numbers, since only its graph knows which columns hold numbers.

    Parameters
    ----------
    table
        One of: a list of records; columns with a list of values each; a single record;
        ``{"columns": [names], "data": [rows]}``, with or without ``index``; a ``str`` or UTF-8
        ``bytes`` of CSV (RFC 4180) whose first line is a header, separated by comma, semicolon or
        tab.

    Raises
    ------
    InvalidInputs
        If it is none of them, or the columns of a row are not those of the header.
    """
    if isinstance(table, str | bytes):
        return list(_read_csv(table))
    if isinstance(table, list):
        return [_check_record(index, record) for index, record in enumerate(table)]
    if not isinstance(table, Mapping):
        raise InvalidInputs(f"table: {short_repr(table)} given, {FORMS}")
    if set(table) in SPLIT and all(isinstance(one, list) for one in _list_of(table["data"])):
        return _read_split(table["columns"], table["data"])
    return _read_columns(table)


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [None]


def _check_record(index: int, record: Any) -> Row:
    if not isinstance(record, Mapping):
        raise InvalidInputs(
            f"input {index}: {short_repr(record)} given, a record expected: an object with a "
            "value for each column"
        )
    return dict(record)


def _read_split(columns: Any, data: Sequence[Any]) -> list[Row]:
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise InvalidInputs(
            f"table: columns: {short_repr(columns)} given, a list of names expected"
        )
    refuse_repeated_columns(columns)
    for index, values in enumerate(data):
        if len(values) != len(columns):
            raise InvalidInputs(
                f"input {index}: {len(values)} values given, {len(columns)} expected: "
                f"{', '.join(columns)}"
            )
    return [dict(zip(columns, values, strict=True)) for values in data]


def _read_columns(table: Mapping[str, Any]) -> list[Row]:
    listed = [name for name, values in table.items() if isinstance(values, list)]
    if not listed:
        return [dict(table)] if table else []
    for name, values in table.items():
        if not isinstance(values, list):
            raise InvalidInputs(
                f"table: column {name!r} is {short_repr(values)}, a list of values expected, as "
                f"column {listed[0]!r} has"
            )
        if len(values) != len(table[listed[0]]):
            raise InvalidInputs(
                f"table: column {name!r} has {len(values)} values, column {listed[0]!r} has "
                f"{len(table[listed[0]])}: as many expected"
            )
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def _read_csv(table: str | bytes) -> Iterator[Row]:
    with refusing(lambda said: InvalidInputs(f"table: the CSV is not UTF-8: {said}")):
        text = table.decode() if isinstance(table, bytes) else table
    text = text.removeprefix("\ufeff")
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    with refusing(lambda said: InvalidInputs(f"table: not CSV: {said}")):
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    filled = [line for line in lines if line]
    if not filled:
        raise InvalidInputs("table: empty, CSV with a header expected")
    header = [name.strip() for name in filled[0]]
    refuse_repeated_columns(header)
    for index, line in enumerate(filled[1:]):
        if len(line) != len(header):
            raise InvalidInputs(
                f"input {index}: {len(line)} fields given, {len(header)} expected: "
                f"{', '.join(header)}"
            )
        yield {name: value or None for name, value in zip(header, line, strict=True)}


def refuse_repeated_columns(columns: Sequence[str]) -> None:
    """Refuse a table that has two columns of one name."""
    if len(set(columns)) < len(columns):
        repeated = next(name for name in columns if columns.count(name) > 1)
        raise InvalidInputs(f"table: column {short_repr(repeated)} is there more than once")
