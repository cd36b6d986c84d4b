"""Inputs from CSV with a header: a request of as many rows as there are."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serval.foreign import refusing
from serval.signatures import TensorSpec
from serval.tensors import DATATYPES, Array
from serval_cli.failures import CommandFailed
from serval_cli.samples.fitting import Specs, only

NUMBERED = ("{name}_{index}", "{name}.{index}", "{name}[{index}]")
"""How the columns of an input with several elements may be called, as in batch jobs."""


def csv_rows(path: Path, inputs: Specs) -> dict[str, Array]:
    """Read columns by name, or all in their order if there are as many as elements."""
    with (
        refusing(lambda said: CommandFailed(f"{path} is not CSV: {said}")),
        path.open(newline="", encoding="utf-8-sig") as file,
    ):
        header, *rows = csv.reader(file)
        table = np.array(rows, np.str_).reshape(len(rows), len(header))
    columns = {spec.name: columns_of(spec, header) for spec in inputs}
    if not all(columns.values()):
        spec = only(path, inputs)
        if width(spec) != len(header):
            raise CommandFailed(
                f"{path} has the columns {', '.join(header)}; input {spec.name!r} of shape "
                f"{list(spec.shape)} takes {spec.name}_0, {spec.name}_1, …, or as many as it has"
            )
        columns = {spec.name: header}
    return {
        spec.name: cells(path, spec, table[:, [header.index(c) for c in columns[spec.name]]])
        for spec in inputs
    }


def width(spec: TensorSpec) -> int:
    """Count the elements of a row."""
    return int(np.prod([max(extent, 1) for extent in spec.shape[1:]]))


def columns_of(spec: TensorSpec, header: Sequence[str]) -> list[str]:
    """Name the columns of an input; none if they are not there."""
    if width(spec) == 1 and spec.name in header:
        return [spec.name]
    for pattern in NUMBERED:
        found = [pattern.format(name=spec.name, index=i) for i in range(width(spec))]
        if set(found) <= set(header):
            return found
    return []


def cells(path: Path, spec: TensorSpec, table: Array) -> Array:
    """Read the cells of an input; an empty one is NaN where a float is expected."""
    shape = (len(table), *(abs(extent) for extent in spec.shape[1:]))
    if spec.datatype == "BYTES":
        return table.reshape(shape)
    with refusing(lambda said: CommandFailed(f"{path}: input {spec.name!r}: {said}")):
        if DATATYPES[spec.datatype].kind == "f":
            return np.where(table == "", "nan", table).astype(np.float64).reshape(shape)
        return table.astype(np.int64).reshape(shape)
