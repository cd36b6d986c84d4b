"""A number that its tensor cannot hold is refused wherever it comes from; infinity is held."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from serval.batch.input.columns import match_columns
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.input.parquet.records import ParquetRecords
from serval.batch.input.records import Rows
from serval.errors import InvalidTensor
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES
from serval.protocol.json_values import narrow

FIT, LARGE = {"FP16": 65504.0, "FP32": 3e38}, {"FP16": 70000.0, "FP32": 1e39}


def csv(spec: TensorSpec, values: list[Any], folder: Path) -> Rows:
    text = "".join(f"{value}\n" for value in values).encode()
    return CsvRecords(("x",), match_columns([spec], ("x",))).read(text, 0, 0)


def jsonl(spec: TensorSpec, values: list[Any], folder: Path) -> Rows:
    text = "".join(json.dumps({"x": [value]}) + "\n" for value in values).encode()
    return JsonlRecords([spec]).read(text, 0, 0)


def kept_jsonl(spec: TensorSpec, values: list[Any], folder: Path) -> Rows:
    text = "".join(json.dumps({"x": [value]}) + "\n" for value in values).encode()
    return JsonlRecords([spec], keep=True).read(text, 0, 0)


def parquet(spec: TensorSpec, values: list[Any], folder: Path) -> Rows:
    pl.DataFrame({"x": values}).write_parquet(folder / "x.parquet")
    columns = match_columns([spec], ("x",))
    return ParquetRecords(folder / "x.parquet", 0, len(values), 99, [spec], columns).read(b"", 0, 0)


def parquet_lists(spec: TensorSpec, values: list[Any], folder: Path) -> Rows:
    pl.DataFrame({"x": [[value] for value in values]}).write_parquet(folder / "x.parquet")
    records = ParquetRecords(folder / "x.parquet", 0, len(values), 99, [spec], [], lists={"x": "x"})
    return records.read(b"", 0, 0)


READERS = [csv, jsonl, kept_jsonl, parquet, parquet_lists]


@pytest.mark.parametrize("datatype", ["FP16", "FP32"])
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_record_of_a_number_that_overflows_is_rejected(
    read: Any, datatype: str, sign: int, tmp_path: Path
) -> None:
    spec = TensorSpec("x", datatype, (-1, 1))
    fit, large = sign * FIT[datatype], sign * LARGE[datatype]

    rows = read(spec, [fit, large, 1.0], tmp_path)

    assert rows.count == 2
    assert np.isfinite(rows.inputs[0].array).all()
    (reject,) = rows.rejects
    assert reject.record == 1
    assert f"does not fit {datatype}" in reject.reason
    with pytest.raises(InvalidTensor, match=f"does not fit {datatype}"):
        narrow("x", datatype, DATATYPES[datatype], np.array([fit, large]))


@pytest.mark.parametrize("read", [jsonl, parquet, parquet_lists])
def test_a_whole_number_may_be_too_large_for_a_small_float(read: Any, tmp_path: Path) -> None:
    rows = read(TensorSpec("x", "FP16", (-1, 1)), [1, 70_000], tmp_path)
    assert (rows.count, [reject.record for reject in rows.rejects]) == (1, [1])


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
@pytest.mark.parametrize("read", [csv, parquet, parquet_lists])
def test_what_is_infinite_stays_so(read: Any, datatype: str, tmp_path: Path) -> None:
    values = [float("inf"), -float("inf"), float("nan"), 1.0]
    rows = read(TensorSpec("x", datatype, (-1, 1)), values, tmp_path)
    np.testing.assert_array_equal(rows.inputs[0].array.ravel(), values)


@pytest.mark.parametrize("text", ["inf", "-Infinity", "+INF", " inf"])
def test_infinity_is_spelled_as_usual_in_csv(text: str, tmp_path: Path) -> None:
    rows = csv(TensorSpec("x", "FP32", (-1, 1)), [text], tmp_path)
    assert np.isinf(rows.inputs[0].array).all()


def test_text_of_a_number_beyond_all_floats_is_rejected(tmp_path: Path) -> None:
    spec = TensorSpec("x", "FP64", (-1, 1))
    rows = csv(spec, ["1e308", "1e400"], tmp_path)
    assert "'1e400' does not fit FP64" in rows.rejects[0].reason
    text = b'{"x": [1e308]}\n{"x": [1e400]}\n'
    assert [one.record for one in JsonlRecords([spec]).read(text, 0, 0).rejects] == [1]
