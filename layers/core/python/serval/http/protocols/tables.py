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
from serval.errors import BatchRefused, InvalidInputs, InvalidTensor
from serval.http.protocols.given import Table
from serval.inference.loaded import Loaded
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, NON_FINITE, Array, Tensor
from serval.models.version import ModelVersion
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.delimited import read_csv
from serval.protocol.even_lists import expect_even
from serval.protocol.json_values import narrow, wrong_element
from serval.protocol.request import check_tensor
from serval.short_repr import short_repr

TABLES = 64
"""Headers of tables whose match with a version's inputs is remembered."""
EXACT = 2**53
"""Whole numbers up to this are exact as FP64."""
NUMBERS = "fiu"


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
        rows = table.to_lists()
        _check_widths(table, rows)
        columns = list(zip(*rows, strict=True))
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


def fit_array(spec: TensorSpec, numbers: Array) -> Array:
    """Convert numbers to an input's datatype.

    Raises
    ------
    InvalidTensor
        If the datatype cannot hold one of them.
    """
    dtype = DATATYPES[spec.datatype]
    if spec.datatype == "BF16" or dtype.kind not in NUMBERS:
        raise InvalidTensor(spec.name, f"numbers given, {spec.datatype} expected")
    if numbers.dtype.kind == "b":
        numbers = numbers.astype(np.uint8)
    if dtype.kind in "iu" and numbers.dtype.kind == "f":
        whole = np.isfinite(numbers) & (np.trunc(numbers) == numbers) & (np.abs(numbers) <= EXACT)
        if not whole.all():
            worst = numbers[~whole].flat[0]
            raise InvalidTensor(spec.name, f"{worst} given, an integer expected")
        numbers = numbers.astype(np.int64)
    return narrow(spec.name, spec.datatype, dtype, numbers)


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
    if chosen.are_long and np.abs(numbers).max() > EXACT:
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
    names = [name.strip() for name in read_csv(first, numeric=False)[0]]
    lines = read_csv(rest, numeric=numeric, skipped=1)
    if len(lines[0]) != len(names):
        raise InvalidInputs(f"the CSV has {len(lines[0])} columns and {len(names)} names")
    return Table(names, True, lines)


def _is_name(field: str) -> bool:
    """Return whether a field is no number, and not empty."""
    try:
        float(field)
    except ValueError:
        return field != "" and field not in NON_FINITE
    return False


def _check_widths(table: Table, rows: Sequence[Any]) -> None:
    for index, row in enumerate(rows):
        if not isinstance(row, list | tuple) or len(row) != len(table.columns):
            raise InvalidInputs(
                f"row {index} is {short_repr(row)}, a list of {len(table.columns)} cells expected"
            )


def read_column(spec: TensorSpec, cells: Sequence[Any]) -> Array:
    """Read the cells of a column: values of JSON, or texts of CSV; an empty cell is NaN."""
    if spec.datatype == "BYTES":
        texts = [_read_text(spec, index, cell) for index, cell in enumerate(cells)]
        return bytes_array(texts, (len(texts),))
    if spec.datatype == "BOOL":
        return np.array([_read_bool(spec, i, cell) for i, cell in enumerate(cells)], np.bool_)
    if DATATYPES[spec.datatype].kind in "iu" and all(type(cell) is int for cell in cells):
        try:
            return fit_array(spec, np.array(cells))
        except (OverflowError, TypeError):
            raise InvalidTensor(spec.name, f"a value does not fit {spec.datatype}") from None
    numbers = [_read_number(spec, index, cell) for index, cell in enumerate(cells)]
    return fit_array(spec, np.array(numbers, np.float64))


def _read_number(spec: TensorSpec, index: int, cell: Any) -> float:
    """Read a number; an empty cell is NaN."""
    if cell is None or cell == "":
        return math.nan
    if isinstance(cell, str):
        if cell in NON_FINITE:
            return NON_FINITE[cell]
        try:
            return float(cell)
        except ValueError:
            raise wrong_element(spec.name, spec.datatype, index, cell, "a number") from None
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise wrong_element(spec.name, spec.datatype, index, cell, "a number")
    return float(cell)


def _read_text(spec: TensorSpec, index: int, cell: Any) -> bytes:
    if not isinstance(cell, str):
        raise wrong_element(spec.name, spec.datatype, index, cell, "a string")
    return cell.encode()


def _read_bool(spec: TensorSpec, index: int, cell: Any) -> bool:
    found = {"true": True, "false": False}.get(cell.lower()) if isinstance(cell, str) else cell
    if not isinstance(found, bool):
        raise wrong_element(spec.name, spec.datatype, index, cell, "true or false")
    return found


def _in_words_of_a_call(refusal: str) -> str:
    """Leave out of a refusal what only batch jobs can do about columns."""
    kept = refusal.partition("; or take the first")[0].partition(". Or take the first")[0]
    return kept.replace("the file", "the table").replace("'columns'", "'columns' in model.yaml")
