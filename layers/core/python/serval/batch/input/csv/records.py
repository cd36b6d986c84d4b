"""CSV records: polars reads blocks of them; a block that it refuses is read record by record.

Both ways give the same rows: polars gets only blocks whose records are all as wide as the header,
without characters that the two treat differently.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from serval.batch.input.cast import cast, describe_misfit, input_tensor
from serval.batch.input.columns import InputColumns
from serval.batch.input.csv.cuts import (
    QUOTE,
    count_outside_quotes,
    follows_rfc_4180,
    returns_end_records,
)
from serval.batch.input.partition_columns import Partition, add_partition
from serval.batch.input.records import (
    RECORD_LIMIT_BYTES,
    UTF8_MARK,
    Places,
    Reject,
    Rows,
    Unreadable,
    refuse_unreadable,
)
from serval.batch.job.options import PLAIN_CSV, CsvOptions
from serval.foreign import refusing
from serval.models.tensor import DATATYPES

csv.field_size_limit(RECORD_LIMIT_BYTES)
STANDING_IN = "\0"
"""Replaces a carriage return within a record, which would end it for Python's reader; NUL is
unused."""
END_OF_FILE = b"\x1a"
"""Ctrl-Z, which ends files of DOS."""
Cell = tuple[str, str]
"""A column, and the datatype that it is read as."""


class UnfitRecord(Exception):
    """A record does not fit the table."""


@dataclass(frozen=True, slots=True)
class CsvRecords:
    """Reads blocks of a CSV file, without its header."""

    columns: Sequence[str]
    inputs: Sequence[InputColumns]
    delimiter: str = ","
    keep: bool = False
    """Whether the rows' own columns are passed on."""
    quoted: bool = True
    """Whether a newline in quotes is part of a field; else each ends a record."""
    options: CsvOptions = PLAIN_CSV
    partition: Partition = field(default_factory=dict)
    """Columns whose values are in the file's key."""

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read a block, whose first record has this number and this offset in the file."""
        with refuse_unreadable(first_record):
            frame = self._read_together(block)
            if frame is None:
                return self._read_one_by_one(block, first_record, offset)
            return self._rows(frame, Places(block, first_record, offset, quoted=self.quoted))

    def _read_together(self, block: bytes) -> pl.DataFrame | None:
        """Read a block at once; None if it has to be read record by record."""
        # polars would drop a byte order mark, which at this place is data.
        if block.startswith(UTF8_MARK) or b"\0" in block or END_OF_FILE in block:
            return None
        try:
            frame = self._frame(block)
        except Unreadable:
            return None
        if not self._is_whole(frame, block):
            return None
        return frame.select(pl.when(pl.all() != "").then(pl.all())) if self._one_column else frame

    @property
    def _one_column(self) -> bool:
        """Whether there is only one column; then a blank line is no record, and `""` is one."""
        return len(self.columns) == 1

    def _frame(self, block: bytes) -> pl.DataFrame:
        with refusing(Unreadable):
            return pl.read_csv(
                block,
                has_header=False,
                separator=self.delimiter,
                schema=dict.fromkeys(self.columns, pl.String),
                null_values=None if self._one_column else "",
            )

    def _is_whole(self, frame: pl.DataFrame, block: bytes) -> bool:
        """Return whether each record is a row: none blank or short, no quote misplaced."""
        view = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(view == QUOTE)
        delimiter = ord(self.delimiter)
        if b"\r" in block and not returns_end_records(view):
            return False
        if not self.quoted and len(frame) != count_lines(block):
            return False
        if not self.quoted and not follows_rfc_4180(view, quotes, delimiter):
            return False
        if not self._one_column and self.options.ragged == "reject":
            # polars refuses records that are too long, so if the number of delimiters is right,
            # none is too short.
            return count_outside_quotes(view, quotes, delimiter) == len(frame) * (
                len(self.columns) - 1
            )
        return not frame.select(pl.all_horizontal(pl.all().is_null()).any()).item()

    def _rows(self, frame: pl.DataFrame, places: Places) -> Rows:
        if self.partition:
            frame = add_partition(frame, self.partition)
        texts: dict[str, pl.Series] = {}
        read: dict[Cell, pl.Series] = {}
        for column, datatype in cells_of(self.inputs):
            texts[column] = blank_to_null(frame[column], self.options)
            read[column, datatype] = read_cells(texts[column], datatype, self.options)
        bad = [cell for cell, values in read.items() if values.null_count()]
        fits = pl.Series(np.ones(len(frame), np.bool_))
        for cell in bad:
            fits &= read[cell].is_not_null()
        rejects = tuple(self._rejects(texts, read, bad, fits, places)) if bad else ()
        if rejects:
            read = {cell: values.filter(fits) for cell, values in read.items()}
            frame = frame.filter(fits)
        inputs = tuple(
            input_tensor(planned, [read[cell] for cell in cells_of([planned])], len(frame))
            for planned in self.inputs
        )
        return Rows(
            inputs,
            len(frame),
            places.first_record,
            places.numbers_of(fits.to_numpy()) if bad else places.numbers,
            rejects,
            frame if self.keep else None,
        )

    def _rejects(
        self,
        texts: dict[str, pl.Series],
        read: dict[Cell, pl.Series],
        bad: Sequence[Cell],
        fits: pl.Series,
        places: Places,
    ) -> Iterator[Reject]:
        for index in np.flatnonzero(~fits.to_numpy()):
            row = int(index)
            column, datatype = next(cell for cell in bad if read[cell][row] is None)
            value = texts[column][row]
            reason = (
                empty_reason(column, datatype, self.options)
                if value is None
                else unfit_reason(column, value, datatype, self.options)
            )
            yield places.reject(row, reason)

    def _read_one_by_one(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read record by record, and skip blank lines."""
        rejects: list[Reject] = []
        fields: list[list[str | None]] = []
        places = Places(block, first_record, offset, quoted=self.quoted)
        numbers: list[int] = []
        for number, (start, end) in enumerate(places.spans):
            text = block[start:end]
            if not text.strip(b"\r\n"):
                continue
            try:
                found = self._fields(text, offset + start)
            except UnfitRecord as problem:
                rejects.append(places.reject(number, str(problem)))
                continue
            fields.append(found)
            numbers.append(number)
        schema = dict.fromkeys(self.columns, pl.String)
        frame = pl.DataFrame(fields, schema=schema, orient="row", strict=True)
        kept = Places(block, first_record, offset, np.array(numbers, np.int64), self.quoted)
        rows = self._rows(frame, kept)
        merged = sorted((*rejects, *rows.rejects), key=lambda reject: reject.record)
        return replace(rows, rejects=tuple(merged))

    def _fields(self, text: bytes, offset: int) -> list[str | None]:
        """Split a record, or raise ``UnfitRecord``."""
        body = text.removesuffix(b"\n").removesuffix(b"\r")
        if body == END_OF_FILE:
            raise UnfitRecord("a Ctrl-Z, as DOS ends files with, is no record")
        if (nul := body.find(b"\0")) >= 0:
            raise UnfitRecord(f"byte {offset + nul} is NUL")
        try:
            record = body.decode().replace("\r", STANDING_IN)
        except UnicodeDecodeError as error:
            raise UnfitRecord(f"byte {offset + error.start} is not UTF-8") from None
        lines = io.StringIO(record, newline="")
        try:
            found = next(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise UnfitRecord(f"its quotes are not those of RFC 4180: {error}") from None
        return [field.replace(STANDING_IN, "\r") or None for field in self._fit_width(found)]

    def _fit_width(self, fields: list[str]) -> list[str]:
        """Return as many fields as there are columns, or raise ``UnfitRecord``."""
        width = len(self.columns)
        if self.options.ragged == "pad":
            while len(fields) > width and not fields[-1]:
                fields = fields[:-1]
            fields = [*fields, *[""] * (width - len(fields))]
        if len(fields) != width:
            raise UnfitRecord(
                f"the record has {len(fields)} fields, {width} expected: "
                f"{', '.join(map(repr, self.columns[:12]))}"
            )
        return fields


def cells_of(inputs: Iterable[InputColumns]) -> list[Cell]:
    """List the columns that inputs take, with their datatypes."""
    return [(column, each.spec.datatype) for each in inputs for column in each.columns]


def count_lines(block: bytes) -> int:
    """Count lines, including a last one without a newline."""
    return block.count(b"\n") + (not block.endswith(b"\n"))


def blank_to_null(column: pl.Series, options: CsvOptions) -> pl.Series:
    """Return the texts of a column, with null for empty cells."""
    empties = ["", *options.null_values]
    if len(empties) == 1:
        return column
    return pl.select(pl.when(~column.is_in(empties)).then(column)).to_series()


def read_cells(texts: pl.Series, datatype: str, options: CsvOptions) -> pl.Series:
    """Read a column; null where a cell does not fit, or an empty one has no missing value."""
    floating = DATATYPES[datatype].kind == "f"
    if floating and options.decimal == ",":
        point = texts.str.contains(".", literal=True)
        with_point = texts.str.replace(",", ".", literal=True)
        found = cast(pl.select(pl.when(~point).then(with_point)).to_series(), datatype)
    else:
        found = cast(texts, datatype)
    if options.empty == "reject" or not texts.null_count():
        return found
    if floating:
        return pl.select(pl.when(texts.is_null()).then(float("nan")).otherwise(found)).to_series()
    return found.fill_null("") if datatype == "BYTES" else found


def empty_reason(column: str, datatype: str, options: CsvOptions) -> str:
    """Return why an empty cell does not fit."""
    if options.empty == "reject":
        return f"column {column!r} is empty"
    return f"column {column!r} is empty, and {datatype} has no missing value"


def unfit_reason(column: str, text: str, datatype: str, options: CsvOptions) -> str:
    """Return why a cell does not fit, with a hint if it would with the other decimal separator."""
    said = f"column {column!r}: {describe_misfit(text, datatype)}"
    other = replace(options, decimal="." if options.decimal == "," else ",")
    if other.decimal not in text or read_cells(pl.Series([text]), datatype, other).null_count():
        return said
    sign = "a comma" if other.decimal == "," else "a point"
    return f"{said}; where {sign} stands before decimals, choose csv.decimal {other.decimal!r}"
