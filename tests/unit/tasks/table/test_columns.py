"""Rows become a graph's inputs, or are refused with column, row and value."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidInputs
from serval.models.signature import TensorSpec
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.table.columns import TableColumns

MIXED = (
    TensorSpec("age", "FP32", (-1, 1)),
    TensorSpec("class", "INT64", (-1, 1)),
    TensorSpec("city", "BYTES", (-1, 1)),
    TensorSpec("note", "BYTES", (-1,)),
    TensorSpec("paid", "BOOL", (-1, 1)),
)
ROW: dict[str, Any] = {"age": 22, "class": 3, "city": "Bern", "note": "late", "paid": True}


def columns(*inputs: TensorSpec, folder: Path = Path(), **options: Any) -> TableColumns:
    graph = TaskGraph({spec.name: spec for spec in inputs}, {}, lambda *_: [])
    files = TaskFiles(folder, lambda _: graph, options)
    return TableColumns.from_files(files, graph)


def filled(own: TableColumns, rows: Sequence[Any]) -> dict[str, Array]:
    return own.fill(own.read(rows))


def test_a_graph_of_an_input_per_column_takes_cells_as_numbers_or_text() -> None:
    texts = {"age": " 2.2e1", "class": "3", "city": "Bern", "note": "late", "paid": "True"}
    found = filled(columns(*MIXED), [ROW, texts])
    assert {name: (array.shape, array.dtype.str) for name, array in found.items()} == {
        "age": ((2, 1), "<f4"),
        "class": ((2, 1), "<i8"),
        "city": ((2, 1), "|O"),
        "note": ((2,), "|O"),
        "paid": ((2, 1), "|b1"),
    }
    assert found["age"].tolist() == [[22.0], [22.0]]
    assert found["class"].tolist() == [[3], [3]]
    assert found["city"].tolist() == [[b"Bern"], [b"Bern"]]
    assert found["paid"].tolist() == [[True], [True]]


def test_a_matrix_takes_the_columns_that_model_yaml_names() -> None:
    own = columns(TensorSpec("x", "FP32", (-1, 2)), columns={"x": ["height", "width"]})
    found = filled(own, [{"width": 2, "height": "1"}])
    assert found["x"].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    "config", [{"feature_names": ["a", "b"]}, {"sklearn": {"columns": ["a", "b"]}}]
)
def test_config_json_names_them_too(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    own = columns(TensorSpec("x", "FP32", (-1, -1)), folder=tmp_path)
    assert own.names == ["a", "b"]
    assert filled(own, [{"a": 1, "b": 2}])["x"].shape == (1, 2)


def test_without_names_the_elements_are_numbered() -> None:
    assert columns(TensorSpec("x", "FP32", (-1, 2))).names == ["x_0", "x_1"]


@pytest.mark.parametrize("cell", [None, "", " ", "NA", "NaN", math.nan])
def test_a_missing_number_is_nan_in_a_column_of_floats(cell: Any) -> None:
    found = filled(columns(*MIXED), [{**ROW, "age": cell}])
    assert np.isnan(found["age"]).all()


@pytest.mark.parametrize("cell", [None, math.nan])
def test_a_missing_text_is_empty_where_the_model_imputes_it(cell: Any) -> None:
    found = filled(columns(*MIXED, imputed=["city"]), [{**ROW, "city": cell}])
    assert found["city"].tolist() == [[b""]]


def test_an_unknown_category_goes_to_the_graph_as_it_is() -> None:
    found = filled(columns(*MIXED), [{**ROW, "city": "Atlantis"}, {**ROW, "city": 8001}])
    assert found["city"].tolist() == [[b"Atlantis"], [b"8001"]]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"age": "old"}, "input 1: column 'age': 'old' given, a number expected"),
        ({"age": "1_000"}, "input 1: column 'age': '1_000' given, a number expected"),
        ({"age": "\u0661"}, "column 'age': '\u0661' given, a number expected"),
        ({"age": [1]}, "input 1: column 'age': [1] given, a number expected"),
        ({"age": 1e300}, "input 1: column 'age': 1e+300 given, a number up to 3.4e+38 expected"),
        ({"age": 10**400}, "a number up to 3.4e+38 expected"),
        ({"class": 2.5}, "input 1: column 'class': 2.5 given, a whole number from"),
        ({"class": None}, "input 1: column 'class': null given, a whole number expected"),
        ({"class": math.nan}, "input 1: column 'class': nan given, a whole number from"),
        ({"class": "NaN"}, "input 1: column 'class': 'NaN' given, a whole number from"),
        ({"class": 2**63}, "a whole number from -9223372036854775808 to 9223372036854775807"),
        ({"city": None}, "column 'city': null given, a text expected: the model does not fill"),
        ({"city": 1.5}, "input 1: column 'city': 1.5 given, a text expected"),
        ({"paid": "maybe"}, "input 1: column 'paid': 'maybe' given, true or false expected"),
        ({"paid": 2}, "input 1: column 'paid': 2 given, true or false expected"),
        (
            {"fare": 1},
            "input 1: no column 'fare' is known; the model takes 'age', 'class', 'city', 'note', "
            "'paid'",
        ),
    ],
)
def test_a_wrong_cell_is_refused_with_column_row_and_value(
    cells: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputs) as refused:
        filled(columns(*MIXED), [ROW, {**ROW, **cells}])
    assert problem in str(refused.value)


def test_a_row_without_a_column_is_refused_with_those_that_exist() -> None:
    short = {name: value for name, value in ROW.items() if name != "city"}
    with pytest.raises(InvalidInputs, match=r"input 0: column 'city' is missing; .* 'age', 'cla"):
        filled(columns(*MIXED), [short])
    with pytest.raises(InvalidInputs, match="input 0: 'Bern' given, a row expected"):
        filled(columns(*MIXED), ["Bern"])


@pytest.mark.parametrize(
    ("specs", "options", "problem"),
    [
        (
            [TensorSpec("x", "FP32", (-1, 3))],
            {"columns": {"x": ["a"]}},
            r"input 'x' of shape \[-1, 3\] does not take 1 columns",
        ),
        ([TensorSpec("x", "FP32", (-1, -1))], {}, "leaves open how many columns it takes"),
        ([TensorSpec("x", "BF16", (-1, 1))], {}, "input 'x' is BF16"),
        (
            [TensorSpec("x", "FP32", (-1, 2)), TensorSpec("a", "FP32", (-1, 1))],
            {"columns": {"x": ["a", "b"]}},
            "column 'a' would fill two elements",
        ),
    ],
)
def test_a_graph_that_rows_do_not_fit_is_unreadable(
    specs: list[TensorSpec], options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TaskUnreadable, match=problem):
        columns(*specs, **options)
