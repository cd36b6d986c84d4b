"""Output parts: from the arrays of a run to CSV, JSONL or Parquet.

In JSON, numbers that JSON cannot write are text, as in an inference response.
"""

import io
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson
import polars as pl

from serval.batch.input.cast import CASTS
from serval.batch.input.parquet.footer import MAGIC, NotParquet, read_footer
from serval.batch.input.parquet.joined_footer import JoinedFooter
from serval.batch.input.records import Rows
from serval.batch.job.job import OutputPiece
from serval.batch.job.layout import Layout
from serval.batch.job.options import OutputFormat
from serval.batch.job.ports import PieceSink
from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.protocol.json_values import spell_non_finite

BARE_ROW = b'{"row":'
"""Start of a joined record that was a bare array."""


@dataclass(frozen=True, slots=True)
class PartFormat:
    """How the parts of a job are written; concatenated in order they are the output."""

    kind: OutputFormat
    outputs: Sequence[TensorSpec]
    joined: Sequence[str] = ()
    """Columns of the input that are written before the outputs."""
    base64: bool = False
    """Whether BYTES are written in base64."""
    as_json: bool = False
    """Whether BYTES are JSON values, which JSONL has as they are."""

    @classmethod
    def of_layout(cls, layout: Layout) -> "PartFormat":
        """Return how a job of this layout is written."""
        return cls(
            layout.output,
            layout.outputs,
            layout.joined,
            base64=layout.base64,
            as_json=layout.answers_are_json,
        )

    def header(self) -> bytes:
        """Return what is written once, before the first part."""
        if self.kind != "csv":
            return b""
        names = [*self.joined, *(name for spec in self.outputs for name in column_names(spec))]
        frame = pl.DataFrame({name: pl.Series([], dtype=pl.String) for name in names})
        return frame.write_csv().encode()

    def empty(self) -> bytes:
        """Return an output without rows."""
        if self.kind != "parquet":
            return self.header()
        passed = pl.DataFrame(schema=dict.fromkeys(self.joined, pl.String))
        outputs = [
            Tensor(
                spec.name, spec.datatype, np.empty((0, *_extents(spec)), DATATYPES[spec.datatype])
            )
            for spec in self.outputs
        ]
        return self.write(Rows((), 0, passed=passed if self.joined else None), outputs)

    def write(self, rows: Rows, outputs: Sequence[Tensor]) -> bytes:
        """Write the answers of a block's rows, after the columns passed on from the input."""
        if self.base64:
            outputs = [encode_base64(tensor) for tensor in outputs]
        with refusing(lambda said: BatchRefused(f"the output cannot be written: {said}")):
            return self._write(rows, outputs)

    def _write(self, rows: Rows, outputs: Sequence[Tensor]) -> bytes:
        if rows.passed is not None:
            rows = replace(rows, passed=rows.passed.select(self.joined) if self.joined else None)
        if self.kind == "jsonl":
            return _jsonl(rows, json_lines(outputs) if self.as_json else nested_lines(outputs))
        frame = output_table(outputs, rows.passed)
        if self.kind == "csv":
            return frame.write_csv(include_header=False).encode()
        target = io.BytesIO()
        frame.write_parquet(target)
        return target.getvalue()


def encode_base64(tensor: Tensor) -> Tensor:
    """Encode BYTES as base64; return other tensors unchanged."""
    if tensor.datatype != "BYTES":
        return tensor
    array = np.empty(tensor.array.shape, np.object_)
    array[...] = np.vectorize(b64encode, otypes=[object])(tensor.array) if array.size else array
    return Tensor(tensor.name, tensor.datatype, array)


def column_names(spec: TensorSpec) -> list[str]:
    """Return the column names of an output: its own name, or one for each element of a row."""
    width = _width(spec.shape[1:])
    return [spec.name] if width == 1 else [f"{spec.name}_{index}" for index in range(width)]


def output_table(outputs: Sequence[Tensor], before: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return outputs as a table, one column for each element of a row, after other columns."""
    columns = [] if before is None else before.get_columns()
    for tensor in outputs:
        rows = len(tensor.array)
        flat = tensor.array.reshape(rows, _width(tensor.array.shape[1:]))
        names = (
            [tensor.name]
            if flat.shape[1] == 1
            else [f"{tensor.name}_{index}" for index in range(flat.shape[1])]
        )
        columns += [
            _column(name, tensor.datatype, flat[:, index]) for index, name in enumerate(names)
        ]
    return pl.DataFrame(columns)


def ndjson(columns: Sequence[pl.Series]) -> bytes:
    """Write a JSON object for each row, one a line."""
    frame = pl.DataFrame(columns)
    if all(map(_is_finite, columns)):
        target = io.BytesIO()
        frame.write_ndjson(target)
        return target.getvalue()
    rows = (spell_non_finite(row) for row in frame.iter_rows(named=True))
    return b"".join(
        orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in rows
    )


def part_sink(sink: PieceSink, kind: OutputFormat) -> PieceSink:
    """Return the sink for the blocks of a format."""
    return ParquetPart(sink) if kind == "parquet" else sink


@dataclass(slots=True)
class ParquetPart:
    """Joins the Parquet files of a shard's blocks into one part."""

    inner: PieceSink
    _footer: JoinedFooter = field(default_factory=JoinedFooter)
    _at: int = 0

    def write(self, data: bytes) -> None:
        """Take a whole file: write its row groups, and keep its footer."""
        if not data:
            return
        footer = read_footer(data, len(data))
        if not self._at:
            self._put(MAGIC)
        try:
            self._footer.add(footer, self._at - len(MAGIC))
        except NotParquet as problem:
            raise BatchRefused(f"a part cannot be written: {problem}") from None
        self._put(data[len(MAGIC) : footer.body_end])

    def close(self) -> None:
        """Write the footer of all row groups, and complete the object."""
        if self._at:
            self._put(self._footer.end())
        self.inner.close()

    def abort(self) -> None:
        """Discard the object."""
        self.inner.abort()

    def piece(self) -> OutputPiece | None:
        """Describe the object; None if nothing was written."""
        return self.inner.piece()

    def _put(self, data: bytes) -> None:
        self.inner.write(data)
        self._at += len(data)


def _is_finite(column: pl.Series) -> bool:
    """Return whether no number of a column is NaN or infinite."""
    while isinstance(column.dtype, pl.List | pl.Array):
        column = column.explode()
    if isinstance(column.dtype, pl.Struct):
        return all(map(_is_finite, column.struct.unnest()))
    return not column.dtype.is_float() or bool(column.is_finite().all())


def nested_lines(outputs: Sequence[Tensor]) -> bytes:
    """Write a line for each row, an object of values, lists or nested lists."""
    return ndjson([_nested_column(tensor) for tensor in outputs])


def json_lines(outputs: Sequence[Tensor]) -> bytes:
    """Write a line for each row of an output whose elements are JSON."""
    [answers] = outputs
    begin = orjson.dumps(answers.name)
    return b"".join(b"{%b:%b}\n" % (begin, value) for value in answers.array.tolist())


def _jsonl(rows: Rows, whole: bytes) -> bytes:
    if not rows.texts and rows.passed is None:
        return whole
    return b"".join(
        begin + answer[1:] + b"\n"
        for begin, answer in zip(_record_starts(rows), whole.splitlines(), strict=True)
    )


def _record_starts(rows: Rows) -> Iterator[bytes]:
    """Yield each record as the start of an object that its answer closes."""
    if rows.passed is not None:
        texts: Sequence[bytes] = ndjson(rows.passed.get_columns()).splitlines()
    else:
        texts = rows.texts
    for text in texts:
        record = text.strip()
        yield record[:-1] + b"," if record.startswith(b"{") else BARE_ROW + record + b","


def _nested_column(tensor: Tensor) -> pl.Series:
    """Return an output as a column with a value, a list or nested lists for each row."""
    shape = tensor.array.shape
    if tensor.array.dtype == object and tensor.datatype != "BYTES":
        return pl.Series(tensor.name, [_nested_row(tensor, row) for row in tensor.array])
    flat = _column(tensor.name, tensor.datatype, tensor.array.ravel())
    return flat.reshape(shape) if len(shape) > 1 else flat


def _nested_row(tensor: Tensor, row: Array) -> list[Any]:
    """Return a row of an output whose rows differ in extents."""
    nested: list[Any] = _nested_column(
        Tensor(tensor.name, tensor.datatype, row[np.newaxis])
    ).to_list()[0]
    return nested


def _column(name: str, datatype: str, values: Array) -> pl.Series:
    if datatype == "BYTES":
        texts = [value.decode() for value in values.tolist()]
        return pl.Series(name, texts, dtype=pl.String)
    if datatype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    elif datatype == "FP16":
        values = values.astype(np.float32)
    return pl.Series(name, np.ascontiguousarray(values), dtype=CASTS.get(datatype, pl.Float32))


def _extents(spec: TensorSpec) -> list[int]:
    return [max(extent, 1) for extent in spec.shape[1:]]


def _width(extents: Sequence[int]) -> int:
    return math.prod(max(extent, 1) for extent in extents)
