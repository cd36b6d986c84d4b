"""Rows of Parquet files: every type that a column may have, and rows that do not fit."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from serval.batch.input.columns import InputColumns
from serval.batch.input.parquet.columns import choose_columns
from serval.batch.input.parquet.footer import GROUP_ROWS, GROUPS, MAGIC, ROWS, Column, read_footer
from serval.batch.input.parquet.records import ParquetRecords
from serval.batch.input.parquet.thrift import I64, Reader, TypedValue, write_bytes
from serval.batch.input.records import Rows
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec


def read(
    folder: Path,
    frame: pl.DataFrame,
    *specs: TensorSpec,
    first: int = 0,
    rows: int = 100,
    **members: Any,
) -> Rows:
    path = folder / "t.parquet"
    frame.write_parquet(path)
    columns = [Column(name, dtype.is_nested()) for name, dtype in frame.schema.items()]
    chosen = choose_columns(specs, columns)
    inputs = [
        InputColumns(spec, chosen.inputs[spec.name]) for spec in specs if spec.name in chosen.inputs
    ]
    records = ParquetRecords(path, 0, len(frame), rows, specs, inputs, chosen.lists, **members)
    return records.read(b"", first, first)


X = TensorSpec("x", "FP32", (-1, 2))


def test_columns_fill_an_input_whatever_their_numbers_are(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"x_1": [1, 2], "x_0": [0.5, 1.5]}, schema={"x_1": pl.Int8, "x_0": pl.Float64}
    )
    found = read(tmp_path, frame, X)
    assert found.inputs[0].array.tolist() == [[0.5, 1], [1.5, 2]]
    assert found.inputs[0].array.dtype == np.float32
    assert found.numbers is None


def test_a_slice_begins_where_it_is_asked_to(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x_0": range(10), "x_1": range(10)})
    found = read(tmp_path, frame, X, first=7, rows=2, row_bytes=10)
    assert found.inputs[0].array[:, 0].tolist() == [7, 8]
    assert (found.first_record, found.read_bytes) == (7, 20)
    assert read(tmp_path, frame, X, first=9, rows=5).count == 1


def test_rows_that_do_not_fit_are_rejected_by_themselves(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x_0": ["1", "a", "3", None], "x_1": [1, 2, 3, 4], "id": list("pqrs")})
    found = read(tmp_path, frame, X, joined=("id",))
    assert found.inputs[0].array.tolist() == [[1, 1], [3, 3]]
    assert [(one.record, one.reason) for one in found.rejects] == [
        (1, "column 'x_0': 'a' is no FP32"),
        (3, "column 'x_0' is null"),
    ]
    assert found.rejects[0].text == '{"id": "q", "x_0": "a", "x_1": 2}'
    assert found.passed is not None
    assert found.passed["id"].to_list() == ["p", "r"]
    assert [found.record(row) for row in range(found.count)] == [0, 2]


def test_what_stands_behind_the_point_is_not_cut_off(tmp_path: Path) -> None:
    spec = TensorSpec("n", "INT64", (-1,))
    found = read(tmp_path, pl.DataFrame({"n": [1.0, 2.5, 3.0]}), spec)
    assert found.inputs[0].array.tolist() == [1, 3]
    assert found.rejects[0].reason == "column 'n': 2.5 is no INT64"


@pytest.mark.parametrize("array", [False, True])
def test_a_column_of_lists_is_an_input_of_several_elements(tmp_path: Path, array: bool) -> None:
    dtype = pl.Array(pl.Float32, 2) if array else pl.List(pl.Float32)
    frame = pl.DataFrame({"x": [[1, 2], [3, 4], None]}, schema={"x": dtype})
    found = read(tmp_path, frame, X)
    assert found.inputs[0].array.tolist() == [[1, 2], [3, 4]]
    assert [one.record for one in found.rejects] == [2]


def test_lists_of_another_length_are_rejected(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [[1.0, 2.0], [1.0], [1.0, None]]})
    found = read(tmp_path, frame, X)
    assert found.count == 1
    assert found.rejects[0].reason == "input 'x': shape [1] given, [2] expected"
    assert found.rejects[1].reason == "input 'x': an element is null"
    assert found.rejects[1].text == '{"x": "[1.0, None]"}'


def test_lists_of_lists_have_the_shape_of_the_input(tmp_path: Path) -> None:
    spec = TensorSpec("m", "INT64", (-1, 2, 2))
    found = read(tmp_path, pl.DataFrame({"m": [[[1, 2], [3, 4]]]}), spec)
    assert found.inputs[0].array.tolist() == [[[1, 2], [3, 4]]]


def test_bytes_and_texts_go_to_a_model_as_they_are(tmp_path: Path) -> None:
    spec = TensorSpec("b", "BYTES", (-1,))
    assert read(tmp_path, pl.DataFrame({"b": [b"\xff", b""]}), spec).inputs[0].array.tolist() == [
        b"\xff", b"",
    ]  # fmt: skip
    assert read(tmp_path, pl.DataFrame({"b": ["é"]}), spec).inputs[0].array.tolist() == [
        "é".encode()
    ]


def test_a_page_that_is_damaged_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x_0": range(5_000), "x_1": range(5_000)}).write_parquet(path)
    body = bytearray(path.read_bytes())
    body[30:2_000] = b"\xff" * 1_970
    path.write_bytes(body)
    records = ParquetRecords(path, 0, 5_000, 100, [X], [InputColumns(X, ("x_0", "x_1"))])
    with pytest.raises(BatchRefused, match="rows 0 to 100 cannot be read"):
        records.read(b"", 0, 0)


def test_a_file_of_fewer_rows_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x_0": [1.0, 2.0], "x_1": [1.0, 2.0]}).write_parquet(path)
    data = path.read_bytes()
    footer = read_footer(data, len(data))
    fields = Reader(footer.data).struct()
    group = fields[GROUPS].value.values[0]
    group[GROUP_ROWS] = fields[ROWS] = TypedValue(I64, footer.rows + 1)
    end = write_bytes(fields)
    path.write_bytes(data[: footer.body_end] + end + struct.pack("<I", len(end)) + MAGIC)
    records = ParquetRecords(path, 0, 3, 100, (X,), [InputColumns(X, ("x_0", "x_1"))])

    with pytest.raises(BatchRefused, match="rows 0 to 3"):
        records.read(b"", 0, 0)
