"""Read a request's inputs from a CSV file, matching its columns as batch jobs do."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from serval.batch.input.columns import (
    NO_CHOICE,
    ColumnChoice,
    InputColumns,
    match_columns,
    width_of,
)
from serval.batch.input.csv.dialect import DELIMITERS, NUMBER, CsvTable, read_table
from serval.batch.job.options import PLAIN_CSV
from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array
from serval_cli.bundle.samples.fitting import Specs
from serval_cli.failures import CommandFailed
from serval_cli.output import note
from serval_cli.views.batch import columns


@dataclass(frozen=True, slots=True)
class CsvSample:
    """A CSV file and its layout."""

    path: Path
    text: bytes
    table: CsvTable
    rows: Specs
    """The model's inputs, in the shape that a table of records gives them."""

    @classmethod
    def open(cls, path: Path, inputs: Specs, choice: ColumnChoice) -> "CsvSample":
        """Read a file, or raise ``CommandFailed``."""
        text = path.read_bytes()
        rows = [table_spec(spec) for spec in inputs]
        options = replace(PLAIN_CSV, header=True) if begins_with_words(text) else PLAIN_CSV
        try:
            table = read_table(text, options, rows, choice.names, whole=True)
        except BatchRefused as refused:
            raise CommandFailed(
                f"{path}: {refused}. A sample has no such options: give it a header that names "
                "its columns, in UTF-8, with commas"
            ) from None
        return cls(path, text, table, rows)

    def matches(self, choice: ColumnChoice) -> list[InputColumns]:
        """Match the file's columns to the inputs.

        Raises
        ------
        BatchRefused
            If their names do not decide it.
        """
        table = self.table
        return match_columns(self.rows, table.columns, choice, named=table.named, texts=table.texts)

    def records(self) -> Array:
        """Read all records as text."""
        with refusing(lambda said: CommandFailed(f"{self.path} is not CSV: {said}")):
            lines = io.StringIO(self.text[self.table.start :].decode(), newline="")
            read = [row for row in csv.reader(lines, delimiter=self.table.delimiter) if row]
            # numpy raises an error for a ragged table.
            return np.array(read, np.str_).reshape(len(read), len(self.table.columns))


def read_csv_rows(path: Path, inputs: Specs, choice: ColumnChoice) -> dict[str, Array]:
    """Read the columns of each input, and note which ones fill it."""
    sample = CsvSample.open(path, inputs, choice)
    try:
        found = sample.matches(choice)
    except BatchRefused as refused:
        raise CommandFailed(
            f"{path}: {refused}; the 'columns' of a sample are those of the bundle's model.yaml"
        ) from None
    table, places = sample.records(), list(sample.table.columns)
    for line in columns({"columns": [match.to_json(sample.table.first) for match in found]}):
        note(f"{path}: {line}")
    taken = {match.spec.name: [places.index(name) for name in match.columns] for match in found}
    return {spec.name: read_cells(path, spec, table[:, taken[spec.name]]) for spec in inputs}


def name_columns(inputs: Specs, files: Sequence[Path]) -> dict[str, Sequence[str]]:
    """Take the names of an input's elements from the first table's header, and note them."""
    tables = [path for path in files if path.is_file() and path.suffix.lower() == ".csv"]
    found = unnamed_columns(tables[0], inputs, NO_CHOICE) if tables else {}
    for name, own in found.items():
        note(
            f"columns of {name} are taken to be {', '.join(own)}, in this order: check that the "
            "model was trained in it"
        )
    return {**found}


def unnamed_columns(path: Path, inputs: Specs, choice: ColumnChoice) -> dict[str, tuple[str, ...]]:
    """Return the header's columns if the only input takes as many but knows none by name."""
    sample = CsvSample.open(path, inputs, choice)
    named = sample.table.named
    alike = len({name.casefold() for name in named}) < len(named)
    if alike or len(inputs) != 1 or -1 in inputs[0].shape[1:]:
        return {}
    if len(named) != width_of(sample.rows[0]):
        return {}
    try:
        sample.matches(choice)
    except BatchRefused:
        return {inputs[0].name: named}
    return {}


def table_spec(spec: TensorSpec) -> TensorSpec:
    """Reshape an input for a table: rows first, and one element for each open extent."""
    return replace(spec, shape=(-1, *(max(extent, 1) for extent in spec.shape[1:])))


def begins_with_words(text: bytes) -> bool:
    """Return whether the first line holds texts and no numbers, and thus names columns."""
    line = text.decode(errors="replace").lstrip("\ufeff").partition("\n")[0]
    fields = [field.strip() for field in re.split(f"[{''.join(DELIMITERS)}]", line)]
    given = [field for field in fields if field]
    return bool(given) and not any(NUMBER.fullmatch(field) for field in given)


def read_cells(path: Path, spec: TensorSpec, table: Array) -> Array:
    """Read an input's cells; an empty cell becomes NaN in an input of floats."""
    shape = (len(table), *(abs(extent) for extent in spec.shape[1:]))
    if spec.datatype == "BYTES":
        return table.reshape(shape)
    with refusing(lambda said: CommandFailed(f"{path}: input {spec.name!r}: {said}")):
        if DATATYPES[spec.datatype].kind == "f":
            return np.where(table == "", "nan", table).astype(np.float64).reshape(shape)
        return table.astype(np.int64).reshape(shape)
