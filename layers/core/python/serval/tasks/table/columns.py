"""Which columns a graph takes, and its tensors from rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.errors import InvalidInputs
from serval.models.signature import TensorSpec
from serval.models.task_signature import column_names
from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.table.cells import CellRefused, read_cells

SHOWN = 30
"""Columns that a message names."""


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The columns of each input of a graph, in the order of its elements."""

    inputs: Sequence[tuple[TensorSpec, tuple[str, ...]]]
    imputed: frozenset[str] = frozenset()
    """Columns of text whose missing values the model fills in."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TableColumns":
        """Match the graph's inputs to columns.

        An input of one element per row is the column of its own name. The elements of a wider one
        are named by ``columns`` of model.yaml, else by ``feature_names`` of config.json or the
        ``columns`` that skops keeps there, else numbered from ``NAME_0``.

        Raises
        ------
        TaskUnreadable
            If the names are not as many as the elements, or nothing tells how many there are.
        """
        named: Mapping[str, Sequence[str]] = files.options.get("columns") or {}
        config = files.json("config.json")
        others = config.get("feature_names") or (config.get("sklearn") or {}).get("columns") or ()
        if not named and others and len(graph.inputs) == 1:
            named = dict.fromkeys(graph.inputs, others)
        inputs = [(spec, _names_of(spec, named.get(name))) for name, spec in graph.inputs.items()]
        columns = [column for _, own in inputs for column in own]
        if repeated := [name for name in columns if columns.count(name) > 1]:
            raise TaskUnreadable(f"column {repeated[0]!r} would fill two elements of the inputs")
        return cls(inputs, frozenset(files.options.get("imputed") or ()))

    @property
    def names(self) -> list[str]:
        """Every column."""
        return [column for _, own in self.inputs for column in own]

    def read(self, rows: Sequence[Any]) -> dict[str, Array]:
        """Turn rows into an array for each column.

        Raises
        ------
        InvalidInputs
            If a row lacks a column, has one that the model does not take, or a cell is not what
            its column holds.
        """
        self._check_names(rows)
        return {
            name: self._read_column(spec, name, [row[name] for row in rows])
            for spec, own in self.inputs
            for name in own
        }

    def check_texts(self, columns: Mapping[str, Array]) -> None:
        """Refuse a text that is missing where the model does not fill it in.

        Raises
        ------
        InvalidInputs
            If there is one.
        """
        for name, column in columns.items():
            if column.dtype == object and name not in self.imputed and b"" in column:
                index = column.tolist().index(b"")
                raise InvalidInputs(
                    f"input {index}: column {name!r}: a text expected: the model does not fill in "
                    "missing ones"
                )

    def fill(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Fill the graph's inputs from an array for each column, rows on axis 0."""
        return {
            spec.name: _fill(spec, [columns[name] for name in own]) for spec, own in self.inputs
        }

    def missing_in(self, columns: Mapping[str, Array], row: int) -> list[str]:
        """List the columns that have no value in a row."""
        return [name for name in self.names if _is_empty(columns[name][row])]

    def _check_names(self, rows: Sequence[Any]) -> None:
        names = self.names
        known = set(names)
        for index, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise InvalidInputs(
                    f"input {index}: {short_repr(row)} given, a row expected: a value for each "
                    f"of {_quote_names(names)}"
                )
            if row.keys() == known:
                continue
            if unknown := [name for name in row if name not in known]:
                raise InvalidInputs(
                    f"input {index}: no column {short_repr(unknown[0])} is known; the model takes "
                    f"{_quote_names(names)}"
                )
            missing = next(name for name in names if name not in row)
            raise InvalidInputs(
                f"input {index}: column {missing!r} is missing; the model takes "
                f"{_quote_names(names)}"
            )

    def _read_column(self, spec: TensorSpec, name: str, values: Sequence[Any]) -> Array:
        try:
            return read_cells(spec.datatype, values, imputed=name in self.imputed)
        except CellRefused as refused:
            index, expected = refused.args
            raise InvalidInputs(
                f"input {index}: column {name!r}: {short_repr(values[index])} given, {expected}"
            ) from None


def _fill(spec: TensorSpec, columns: Sequence[Array]) -> Array:
    filled = np.stack(columns, axis=1)
    return filled if -1 in spec.shape[1:] else filled.reshape(len(filled), *spec.shape[1:])


def _is_empty(value: Any) -> bool:
    return value == b"" or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _names_of(spec: TensorSpec, given: Sequence[str] | None) -> tuple[str, ...]:
    if spec.datatype == "BF16" or not spec.shape:
        raise TaskUnreadable(
            f"input {spec.name!r} is {spec.datatype} {list(spec.shape)}: rows do not fit it"
        )
    varies = -1 in spec.shape[1:]
    width = math.prod(spec.shape[1:])
    if given is not None:
        if (varies and len(spec.shape) == 2) or width == len(given):
            return tuple(given)
        raise TaskUnreadable(
            f"input {spec.name!r} of shape {list(spec.shape)} does not take {len(given)} columns"
        )
    if varies:
        raise TaskUnreadable(
            f"input {spec.name!r} of shape {list(spec.shape)} leaves open how many columns it "
            "takes: name them under 'columns:' in model.yaml"
        )
    return column_names(spec, None)


def _quote_names(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(map(repr, names[:SHOWN])) + (f" and {more} more" if more > 0 else "")
