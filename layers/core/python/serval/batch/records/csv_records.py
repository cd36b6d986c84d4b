"""CSV: blocks of whole records, read by polars; what it refuses is gone through one by one."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from serval.batch.columns import InputColumns
from serval.batch.line_cuts import LINE_LIMIT_BYTES
from serval.batch.records.casting import cast, tensor, unfit
from serval.batch.records.places import Places
from serval.batch.records.rows import Reject, Rows, Unread, readable
from serval.batch.tabular import UTF8_MARK
from serval.foreign import refusing
from serval.tensors import Array

csv.field_size_limit(LINE_LIMIT_BYTES)
STANDING_IN = "\0"
"""For a carriage return within a record, which ends it for Python's reader; text has no NUL."""


@dataclass(frozen=True, slots=True)
class CsvRecords:
    """Reads blocks of a CSV file without its header."""

    columns: Sequence[str]
    inputs: Sequence[InputColumns]
    delimiter: str = ","
    keep: bool = False
    """Whether the rows' own columns are passed on."""
    quoted: bool = True
    """Whether a newline in quotes is part of a field; else each ends a record."""

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read a block whose first record has this number and this place in the file."""
        with readable(first_record):
            if block.startswith(UTF8_MARK):
                # polars would take it for that of a file, which has been passed over.
                return self._read_one_by_one(block, first_record, offset)
            try:
                frame = self._frame(block)
            except Unread:
                return self._read_one_by_one(block, first_record, offset)
            if self._blank(frame).any() or not (self.quoted or len(frame) == lines_in(block)):
                # Records and rows no longer count alike.
                return self._read_one_by_one(block, first_record, offset)
            return self._rows(frame, Places(block, first_record, offset, quoted=self.quoted))

    def _frame(self, block: bytes) -> pl.DataFrame:
        with refusing(Unread):
            return pl.read_csv(
                block,
                has_header=False,
                separator=self.delimiter,
                schema=dict.fromkeys(self.columns, pl.String),
                # In quotes, too: Python's own reader, record by record, tells no difference.
                null_values="",
            )

    def _blank(self, frame: pl.DataFrame) -> Array:
        """Tell which rows may be blank lines."""
        if frame.is_empty():
            return np.zeros(0, np.bool_)
        return frame.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()

    def _rows(self, frame: pl.DataFrame, places: Places) -> Rows:
        read = {
            column: cast(frame[column], planned.spec.datatype)
            for planned in self.inputs
            for column in planned.columns
        }
        bad = [column for column, values in read.items() if values.null_count()]
        fits = pl.Series(np.ones(len(frame), np.bool_))
        for column in bad:
            fits &= read[column].is_not_null()
        rejects = tuple(self._rejects(frame, read, bad, fits, places)) if bad else ()
        if rejects:
            read = {column: values.filter(fits) for column, values in read.items()}
            frame = frame.filter(fits)
        inputs = tuple(
            tensor(planned, [read[column] for column in planned.columns], len(frame))
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
        frame: pl.DataFrame,
        read: dict[str, pl.Series],
        bad: Sequence[str],
        fits: pl.Series,
        places: Places,
    ) -> Iterator[Reject]:
        datatypes = {
            column: planned.spec.datatype for planned in self.inputs for column in planned.columns
        }
        for index in np.flatnonzero(~fits.to_numpy()):
            row = int(index)
            column = next(name for name in bad if read[name][row] is None)
            value = frame[column][row]
            reason = (
                f"column {column!r} is empty"
                if value is None
                else f"column {column!r}: {unfit(value, datatypes[column])}"
            )
            yield places.reject(row, reason)

    def _read_one_by_one(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read record by record; blank lines are left out, as no record."""
        rejects: list[Reject] = []
        fields: list[list[str | None]] = []
        places = Places(block, first_record, offset, quoted=self.quoted)
        numbers: list[int] = []
        for number, (start, end) in enumerate(places.spans):
            text = block[start:end]
            if not text.strip(b"\r\n"):
                continue
            try:
                found = self._fields(text)
            except (UnicodeDecodeError, csv.Error, ValueError) as error:
                rejects.append(places.reject(number, _problem(error, offset + start)))
                continue
            fields.append(found)
            numbers.append(number)
        schema = dict.fromkeys(self.columns, pl.String)
        frame = pl.DataFrame(fields, schema=schema, orient="row", strict=True)
        kept = Places(block, first_record, offset, np.array(numbers, np.int64), self.quoted)
        rows = self._rows(frame, kept)
        merged = sorted((*rejects, *rows.rejects), key=lambda reject: reject.record)
        return replace(rows, rejects=tuple(merged))

    def _fields(self, text: bytes) -> list[str | None]:
        record = text.removesuffix(b"\n").removesuffix(b"\r").decode().replace("\r", STANDING_IN)
        lines = io.StringIO(record, newline="")
        (found,) = csv.reader(lines, delimiter=self.delimiter, strict=True)
        if len(found) > len(self.columns):
            raise ValueError(
                f"the record has {len(found)} fields, {len(self.columns)} expected: "
                f"{', '.join(map(repr, self.columns[:12]))}"
            )
        found = [field.replace(STANDING_IN, "\r") for field in found]
        padded = found + [""] * (len(self.columns) - len(found))
        return [field or None for field in padded]


def lines_in(block: bytes) -> int:
    """Count lines; a last one may have no newline."""
    return block.count(b"\n") + (not block.endswith(b"\n"))


def _problem(error: Exception, offset: int) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {offset + error.start} is not UTF-8"
    return str(error)
