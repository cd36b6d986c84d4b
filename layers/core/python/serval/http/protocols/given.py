"""What a JSON body gives in the forms that V1, MLflow and SageMaker's containers share.

``instances`` are rows: of a single input, or objects with a value for each input. ``inputs`` are
whole inputs, by name if there are several. ``dataframe_split`` and ``dataframe_records`` are tables
of pandas (``mlflow.pyfunc.scoring_server``).
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal, cast

import numpy as np
import orjson
import simdjson

from serval.errors import InvalidInputs, InvalidParameter, MalformedBody
from serval.protocol.even_lists import UNSEEN, ListText
from serval.protocol.json_values import distinct_names, json_object, pick_members, quote
from serval.protocol.lazy_json import parse_json
from serval.short_repr import short_repr
from serval.tasks.table.rows import refuse_repeated_columns

INSTANCES, INPUTS = "instances", "inputs"
SPLIT, RECORDS = "dataframe_split", "dataframe_records"
COLON = ord(":")
ALONE = re.compile(rb'\s*\{\s*"dataframe_records"\s*:(.*)\}\s*', re.DOTALL)
"""Records without parameters: where a value is all there is, one parse does."""


class Forms:
    """The members of a protocol's bodies: one that has the inputs, and perhaps parameters."""

    def __init__(self, *members: str, parameters: str) -> None:
        self.members, self.parameters = members, parameters
        self.known = frozenset((*members, parameters))
        self.wanted = "one of " + ", ".join(map(repr, members))


# Neither is frozen: that would double the time it takes to make them, for each request.
@dataclass(slots=True)
class Table:
    """Rows of cells under columns."""

    columns: Sequence[str]
    named: bool
    """Whether the columns' names are the caller's."""
    cells: Any
    """A ``simdjson.Array`` of rows, an FP64 array [rows, columns], or rows of texts or values."""
    source: ListText = UNSEEN
    """The body, if the cells are JSON in it."""

    @property
    def rows(self) -> int:
        """Count the rows."""
        return len(self.cells)

    def to_lists(self) -> list[list[Any]]:
        """Return the cells as Python values, by rows.

        Raises
        ------
        InvalidInputs
            If a row of JSON is not a cell for each column.
        """
        if not isinstance(self.cells, simdjson.Array):
            cells = self.cells
            return cells.tolist() if hasattr(cells, "tolist") else list(map(list, cells))
        rows: Any = self.cells.as_list()
        for index, row in enumerate(rows):
            if not isinstance(row, list) or len(row) != len(self.columns):
                raise InvalidInputs(
                    f"row {index} is {short_repr(row)}, a list of {len(self.columns)} cells "
                    "expected"
                )
        return cast(list[list[Any]], rows)

    def to_records(self) -> list[dict[str, Any]]:
        """Return each row as column → value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.to_lists()]


@dataclass(slots=True)
class Given:
    """Inputs as a body gives them."""

    form: Literal["rows", "whole", "table"]
    value: Any
    """simdjson's lazy list or object, a JSON value, or a ``Table``."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    source: ListText = UNSEEN
    """The body, if it is JSON."""

    def plain(self) -> Any:
        """Return the value as Python's own."""
        return plain_value(self.value.to_records() if isinstance(self.value, Table) else self.value)


def plain_value(value: Any) -> Any:
    """Convert one of simdjson's values to Python's own."""
    if isinstance(value, simdjson.Array):
        return value.as_list()
    return value.as_dict() if isinstance(value, simdjson.Object) else value


def read_given(body: bytes, forms: Forms) -> Given:
    """Read a JSON object of a protocol's forms.

    Raises
    ------
    MalformedBody
        If it is no such object.
    """
    alone = ALONE.fullmatch(body) if RECORDS in forms.members else None
    if alone is not None:
        with suppress(orjson.JSONDecodeError):
            table = read_records(RECORDS, orjson.loads(alone[1]))
            colons = np.count_nonzero(np.frombuffer(body, np.uint8) == COLON)
            if colons != 1 + table.rows * len(table.columns):
                refuse_repeated_members(json_object(body, forms.wanted)[RECORDS], table)
            return Given("table", table)
    return pick_given(json_object(body, forms.wanted), body, forms)


def pick_given(document: Any, body: bytes, forms: Forms) -> Given:
    """Pick the one member that a parsed body may have of a protocol's, as ``read_given`` does."""
    fields = pick_members(document, forms.known)
    given = [name for name in forms.members if name in fields]
    if len(given) != 1:
        found = " and ".join(map(repr, given)) or "none of them"
        raise MalformedBody(f"the body has {found}: {forms.wanted} expected")
    more = plain_value(fields.get(forms.parameters))
    if more is not None and not isinstance(more, Mapping):
        raise InvalidParameter(forms.parameters, more, "an object")
    if given[0] == RECORDS:
        table = read_records(RECORDS, _load(body)[RECORDS])
        refuse_repeated_members(fields[RECORDS], table)
        return Given("table", table, more or {})
    return given_member(given[0], fields[given[0]], more or {}, ListText(body))


def _load(body: bytes) -> Any:
    """Parse a whole body, since records are looked up cell by cell."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from None


def read_list(body: bytes) -> Given:
    """Read a bare JSON list of rows.

    Raises
    ------
    MalformedBody
        If it is none.
    """
    return given_member(INSTANCES, parse_json(body), {}, ListText(body))


def given_member(name: str, value: Any, parameters: Mapping[str, Any], source: ListText) -> Given:
    """Read one member by what its name says of its form."""
    if name == SPLIT:
        return Given("table", _read_split(value, source.text), parameters)
    if name == INPUTS:
        return Given("whole", value, parameters, source)
    if not isinstance(value, simdjson.Array) or not len(value):
        raise MalformedBody(f"{name!r} is {quote(value)}, a list of rows expected")
    return Given("rows", value, parameters, source)


def _read_split(value: Any, text: str | bytes) -> Table:
    """Read ``{"columns": [...], "data": [[...], ...]}``; ``index`` does not matter."""
    members = frozenset(("columns", "data", "index"))
    fields = pick_members(value, members) if isinstance(value, simdjson.Object) else {}
    data, columns = fields.get("data"), plain_value(fields.get("columns"))
    if not isinstance(data, simdjson.Array) or not len(data):
        raise MalformedBody(f"{SPLIT!r}: 'data' is not a list of rows")
    others = (columns is not None) + isinstance(fields.get("index"), simdjson.Array)
    source = ListText(text, others)
    if columns is None and isinstance(data[0], simdjson.Array):
        return unnamed_table(data, source)
    if not isinstance(columns, list) or not columns:
        raise MalformedBody(f"{SPLIT!r}: 'columns' is not a list of names")
    names = list(map(str, columns))
    refuse_repeated_columns(names)
    return Table(names, True, data, source)


def unnamed_table(rows: Any, source: ListText) -> Table:
    """Make a table of rows that are lists."""
    return Table(list(map(str, range(len(rows[0])))), False, rows, source)


def refuse_repeated_members(records: Any, table: Table) -> None:
    """Refuse records that have a member twice, given as simdjson has them and as a table."""
    for record in records:
        if len(record) != len(table.columns):
            distinct_names(record)


def read_records(name: str, records: Any) -> Table:
    """Read a list of objects, each with the same columns.

    Raises
    ------
    MalformedBody
        If one is no object, or its columns are not those of the first.
    """
    first = records[0] if isinstance(records, list) and records else records
    if not isinstance(first, dict) or not first:
        raise MalformedBody(f"{name}: {short_repr(first)} given, an object of columns expected")
    columns = list(first)
    if len(columns) > 1:
        pick = itemgetter(*columns)
        with suppress(TypeError, KeyError):
            if set(map(len, records)) == {len(columns)}:
                return Table(columns, True, list(map(pick, records)))
    for index, record in enumerate(records):
        if not isinstance(record, dict) or record.keys() != first.keys():
            wanted = ", ".join(map(short_repr, columns[:12]))
            raise MalformedBody(
                f"{name}[{index}] is {short_repr(record)}, an object with {wanted} expected"
            )
    return Table(columns, True, [[record[name] for name in columns] for record in records])
