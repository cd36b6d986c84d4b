"""Tables as a version's inputs: columns are found by their names, or by position without names."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import simdjson

from serval.batch.input.columns import ColumnChoice, match_columns
from serval.errors import BatchRefused, InvalidInputs
from serval.http.protocols.cells import EXACT, NUMBERS, fit_array, read_column
from serval.http.protocols.given import Table
from serval.http.refusals import CSV
from serval.inference.loaded import Loaded
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, NON_FINITE, Array, Tensor
from serval.models.version import ModelVersion
from serval.protocol.delimited import read_csv
from serval.protocol.even_lists import expect_even
from serval.protocol.request import check_tensor
from serval.tasks.table.cells import is_number
from serval.tasks.table.rows import refuse_repeated_columns

TABLES = 64
"""Headers of tables whose match with a version's inputs is remembered."""


@dataclass(frozen=True, slots=True)
class ColumnPlaces:
    """The columns of each input of a version in a table."""

    places: tuple[tuple[int, ...], ...]
    """Of each input."""
    in_order: bool
    """Whether each input has all columns, in their order."""
    are_numbers: bool
    """Whether all inputs are numbers."""
    are_long: bool
    """Whether an input may have integers that FP64 does not hold."""


def table_tensors(table: Table, record: ModelVersion) -> tuple[Tensor, ...]:
    """Read the inputs of a version from a table.

    Raises
    ------
    InvalidInputs
        If an input has no columns.
    InvalidTensor
        If a cell does not fit its input.
    """
    inputs = record.signature.inputs
    features: Mapping[str, Sequence[str]] = record.bundle.get("columns") or {}
    chosen = find_columns(
        inputs,
        tuple([(name, tuple(own)) for name, own in features.items()]),
        tuple(table.columns),
        table.named,
    )
    cells = _numbers(table, chosen)
    columns: Sequence[Any] = ()
    if cells is None:
        columns = list(zip(*table.to_lists(), strict=True))
    tensors = []
    for spec, own in zip(inputs, chosen.places, strict=True):
        if cells is not None:
            array = fit_array(spec, cells if chosen.in_order else cells[:, own])
        else:
            array = np.stack([read_column(spec, columns[place]) for place in own], axis=1)
        shape = (table.rows, *spec.shape[1:])
        check_tensor(spec.name, spec.datatype, shape, {spec.name: spec})
        tensors.append(Tensor(spec.name, spec.datatype, array.reshape(shape)))
    return tuple(tensors)


@lru_cache(TABLES)
def find_columns(
    inputs: tuple[TensorSpec, ...],
    features: tuple[tuple[str, tuple[str, ...]], ...],
    columns: tuple[str, ...],
    named: bool,
) -> ColumnPlaces:
    """Find the places of each input's columns; clients send the same columns again and again.

    Raises
    ------
    InvalidInputs
        If an input has none.
    """
    chosen = ColumnChoice(features=dict(features))
    try:
        found = match_columns(inputs, columns, chosen, named=columns if named else ())
    except BatchRefused as refused:
        raise InvalidInputs(_in_words_of_a_call(str(refused))) from None
    at = {name: index for index, name in enumerate(columns)}
    places = tuple(tuple(at[name] for name in match.columns) for match in found)
    every = tuple(range(len(columns)))
    return ColumnPlaces(
        places,
        all(own == every for own in places),
        has_numbers_alone(inputs),
        has_long_integers(inputs),
    )


def _numbers(table: Table, chosen: ColumnPlaces) -> Array | None:
    """Return all cells as FP64 if every input and every cell is a number that it can hold."""
    if isinstance(table.cells, np.ndarray):
        return table.cells
    if not chosen.are_numbers:
        return None
    shape = [table.rows, len(table.columns)]
    if isinstance(table.cells, simdjson.Array):
        numbers = _lazy_numbers(table, shape)
    else:
        numbers = _listed_numbers(table)
    if numbers is None or numbers.size != math.prod(shape):
        return None
    if chosen.are_long and np.abs(numbers).max() >= EXACT:
        return None
    return numbers.reshape(shape)


def _lazy_numbers(table: Table, shape: Sequence[int]) -> Array | None:
    try:
        numbers = np.frombuffer(table.cells.as_buffer(of_type="d"))
    except (TypeError, ValueError):
        return None
    expect_even("data", shape, table.cells, table.source)
    return numbers


def _listed_numbers(table: Table) -> Array | None:
    columns = len(table.columns)
    row_of_doubles = struct.Struct(f"{columns}d")
    try:
        packed = b"".join([row_of_doubles.pack(*row) for row in table.cells])
    except (struct.error, OverflowError, TypeError):
        return None
    numbers = np.frombuffer(packed)
    # Packing takes true and false for 1 and 0.
    suspects = np.flatnonzero((numbers == 0) | (numbers == 1)).tolist()
    for index in suspects:
        if type(table.cells[index // columns][index % columns]) is bool:
            return None
    return numbers


def has_long_integers(inputs: Sequence[TensorSpec]) -> bool:
    """Return whether an input may have integers that FP64 does not hold."""
    return any(spec.datatype in ("INT64", "UINT64") for spec in inputs)


def has_numbers_alone(inputs: Sequence[TensorSpec]) -> bool:
    """Return whether every input is one of numbers."""
    return all(DATATYPES[spec.datatype].kind in NUMBERS for spec in inputs)


def read_csv_table(body: bytes, loaded: Loaded, *, has_header: bool | None) -> Table:
    """Read CSV.

    Parameters
    ----------
    has_header
        Whether the first line has names; None: if a field of it is no number.

    Raises
    ------
    MalformedBody, InvalidInputs
        If it is no CSV, or a line is longer or shorter than the others.
    """
    inputs = loaded.record.signature.inputs
    numeric = loaded.task is None and has_numbers_alone(inputs) and not has_long_integers(inputs)
    if not has_header:
        lines = read_csv(body, numeric=numeric)
        has_names = isinstance(lines, list) and any(map(_is_name, lines[0]))
        if has_header is not None or not has_names:
            return Table(list(map(str, range(len(lines[0])))), False, lines)
    first, _, rest = body.partition(b"\n")
    if not rest.strip():
        remedy = "" if has_header else f": declare '{CSV}; header=absent' if that line is a row"
        raise InvalidInputs(f"the CSV has a line of names and none of cells{remedy}")
    names = [name.strip() for name in read_csv(first, numeric=False)[0]]
    lines = read_csv(rest, numeric=numeric, skipped=1)
    if len(lines[0]) != len(names):
        raise InvalidInputs(f"the CSV has {len(lines[0])} columns and {len(names)} names")
    refuse_repeated_columns(names)
    return Table(names, True, lines)


def _is_name(field: str) -> bool:
    """Return whether a field is no number, and not empty."""
    return field != "" and field not in NON_FINITE and not is_number(field)


def _in_words_of_a_call(refusal: str) -> str:
    """Leave out of a refusal what only batch jobs can do about columns."""
    kept = refusal.partition("; or take the first")[0].partition(". Or take the first")[0]
    kept = kept.replace("is the delimiter right? Else ", "")
    return kept.replace("the file", "the table").replace("'columns'", "'columns' in model.yaml")
