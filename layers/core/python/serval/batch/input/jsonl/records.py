"""JSONL records: each line is an object by input name, a bare array, or an inference request.

polars reads blocks of objects, or of bare arrays, that are all alike; a block that it refuses is
read line by line.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import polars as pl

from serval.batch.input.cast import CASTS, MISSING, has_overflow
from serval.batch.input.jsonl.members import find_repeated_member, has_no_repeats
from serval.batch.input.records import (
    RECORD_LIMIT_BYTES,
    Reject,
    Rows,
    Unreadable,
    record_spans,
    refuse_unreadable,
    shorten_record,
)
from serval.batch.input.row_values import Unfit, read_element, stack_rows
from serval.foreign import refusing
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.short_repr import short_repr

QUOTE = b'"'
BARE = "row"
"""Name given to bare arrays for polars, which reads objects."""


@dataclass(frozen=True, slots=True)
class JsonlRecords:
    """Reads blocks of a JSONL file."""

    inputs: Sequence[TensorSpec]
    keep: bool = False
    """Whether the records' own text is passed on."""

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read a block, whose first record has this number and this offset in the file."""
        with refuse_unreadable(first_record):
            if not self.keep and (rows := self._read_together(block)) is not None:
                return replace(rows, first_record=first_record)
            return self._read_one_by_one(block, first_record, offset)

    def _read_together(self, block: bytes) -> Rows | None:
        """Read lines that are all alike; None if they are not, or one does not fit."""
        names = [spec.name for spec in self.inputs]
        # A blank line before the first row would shift the numbers of all rows.
        first = block.lstrip(b" ")[:1]
        if first == b"[" and len(names) == 1:
            if QUOTE in block:
                # polars would accept members after the end of an array.
                return None
            block, names = _wrap_arrays(block), [BARE]
        elif first != b"{":
            return None
        frame = _frame(block, dict(zip(names, map(_polars_type, self.inputs), strict=True)))
        # Of a repeated member polars takes the first.
        if frame is None or not all(has_no_repeats(block, name, len(frame)) for name in names):
            return None
        arrays = [_array(frame[name], spec) for name, spec in zip(names, self.inputs, strict=True)]
        inputs = tuple(
            Tensor(spec.name, spec.datatype, array)
            for spec, array in zip(self.inputs, arrays, strict=True)
            if array is not None
        )
        return Rows(inputs, len(frame)) if len(inputs) == len(arrays) else None

    def _read_one_by_one(self, block: bytes, first_record: int, offset: int) -> Rows:
        fitting: list[list[Array]] = []
        rejects: list[Reject] = []
        texts: list[bytes] = []
        numbers: list[int] = []
        for number, (start, end) in enumerate(record_spans(block, quoted=False)):
            text = block[start:end].strip()
            if not text:
                continue
            start += block[start:end].find(text)
            try:
                fitting.append(self._line(text))
                texts.append(text)
                numbers.append(number)
            except Unfit as problem:
                rejects.append(
                    Reject(
                        first_record + number, offset + start, str(problem), shorten_record(text)
                    )
                )
        inputs = tuple(
            Tensor(spec.name, spec.datatype, stack_rows([line[index] for line in fitting], spec))
            for index, spec in enumerate(self.inputs)
        )
        return Rows(
            inputs,
            len(fitting),
            first_record,
            np.array(numbers, np.int64),
            tuple(rejects),
            texts=texts if self.keep else (),
        )

    def _line(self, text: bytes) -> list[Array]:
        """Return one record's array for each input, or raise ``Unfit``."""
        if len(text) > RECORD_LIMIT_BYTES:
            raise Unfit(f"the line has {len(text)} bytes, at most {RECORD_LIMIT_BYTES} allowed")
        with refusing(lambda said: Unfit(f"the line is not JSON: {said}")):
            value = orjson.loads(text)
            repeated = find_repeated_member(text, [*(spec.name for spec in self.inputs), "inputs"])
        if repeated is not None:
            raise Unfit(f"member {repeated!r} is there twice")
        values = self._by_name(value)
        return [read_element(spec, _value_of(spec, values[spec.name])) for spec in self.inputs]

    def _by_name(self, value: Any) -> Mapping[str, Any]:
        names = [spec.name for spec in self.inputs]
        if isinstance(value, list):
            if len(names) != 1:
                raise Unfit(
                    f"a bare array is for a model of one input; this takes {', '.join(names)}"
                )
            return {names[0]: value}
        if not isinstance(value, dict):
            raise Unfit(f"{short_repr(value)} given, an object or an array expected")
        if isinstance(value.get("inputs"), list) and "inputs" not in names:
            value = _request_values(value["inputs"])
        if missing := [name for name in names if name not in value]:
            given = ", ".join(map(repr, list(value)[:12])) or "nothing"
            raise Unfit(f"input {missing[0]!r} is missing; the line has {given}")
        return dict(value)


def _request_values(tensors: Sequence[Any]) -> dict[str, Any]:
    """Read the inputs of an inference request of one row, without its leading extent of 1."""
    values: dict[str, Any] = {}
    for tensor in tensors:
        try:
            name, shape, data = tensor["name"], list(tensor["shape"]), tensor["data"]
            if shape[:1] != [1]:
                raise Unfit(
                    f"input {name!r}: shape {shape} given, [1, …] expected: a record is a row"
                )
            if name in values:
                raise Unfit(f"input {name!r} is there twice")
            values[name] = np.array(data, dtype=object).reshape(shape[1:]).tolist()
        except (KeyError, TypeError, ValueError) as error:
            raise Unfit(f"inputs: name, shape [1, …] and data expected: {error}") from None
    return values


def _value_of(spec: TensorSpec, value: Any) -> Any:
    """Return a record's value, or what stands for one that is missing."""
    return MISSING.get(spec.datatype, value) if value is None and spec.may_miss else value


READ_AS: Mapping[str, type[pl.DataType]] = {"f": pl.Float64, "i": pl.Int64, "b": pl.Boolean}
"""numpy kind → what polars reads JSON as; its reader knows no smaller types."""


def _polars_type(spec: TensorSpec) -> Any:
    """Return what polars reads an input as; None if it cannot."""
    extents = spec.shape[1:]
    read_as = READ_AS.get(DATATYPES[spec.datatype].kind)
    if read_as is None or len(extents) > 1:
        return None
    return pl.List(read_as) if extents else read_as


def _wrap_arrays(block: bytes) -> bytes:
    """Wrap bare arrays in objects, which polars reads."""
    begin = b'{"%s":' % BARE.encode()
    return begin + block.strip(b"\r\n").replace(b"\n", b"}\n" + begin) + b"}\n"


def _frame(block: bytes, schema: Mapping[str, Any]) -> pl.DataFrame | None:
    """Read a block; None if polars cannot, or skips a line."""
    if None in schema.values():
        return None
    try:
        with refusing(Unreadable):
            frame = pl.read_ndjson(io.BytesIO(block), schema=schema)
    except Unreadable:
        return None
    return frame if len(frame) == block.strip(b"\r\n").count(b"\n") + 1 else None


def _array(column: pl.Series, spec: TensorSpec) -> Array | None:
    """Return a column's array of shape [rows, *extents]; None if a row does not fit."""
    rows = len(column)
    if column.null_count():
        return None
    if spec.shape[1:]:
        lengths = column.list.len()
        if lengths.min() != lengths.max() or spec.shape[1] not in (-1, lengths.max()):
            return None
        column = column.explode()
    wanted = DATATYPES[spec.datatype]
    if wanted.kind == "i":
        column = column.cast(CASTS[spec.datatype], strict=False)
    if column.null_count():
        return None
    read = column.to_numpy()
    with np.errstate(over="ignore"):
        array = read.astype(wanted, copy=False)
    if wanted.kind == "f" and has_overflow(array, read):
        return None
    return array.reshape(rows, -1) if spec.shape[1:] else array
