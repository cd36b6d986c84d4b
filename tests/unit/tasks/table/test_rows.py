"""Tables in every form that people send become the same rows."""

from typing import Any

import pytest

from serval.errors import InvalidInputs
from serval.tasks.table.rows import read_rows

ROWS = [{"age": 22, "city": "Bern"}, {"age": 38, "city": "Zürich"}]


@pytest.mark.parametrize(
    "table",
    [
        {"age": [22, 38], "city": ["Bern", "Zürich"]},
        ROWS,
        {"columns": ["age", "city"], "data": [[22, "Bern"], [38, "Zürich"]]},
        {"columns": ["age", "city"], "index": [7, 9], "data": [[22, "Bern"], [38, "Zürich"]]},
    ],
    ids=["columns", "records", "split", "split with index"],
)
def test_each_form_of_json_gives_the_rows(table: Any) -> None:
    assert read_rows(table) == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_gives_rows_of_text(delimiter: str) -> None:
    text = "age,city\r\n22,Bern\r\n38,Zürich\r\n".replace(",", delimiter)
    rows = [{"age": "22", "city": "Bern"}, {"age": "38", "city": "Zürich"}]
    assert read_rows(text) == read_rows(("\ufeff" + text).encode()) == rows


def test_csv_quotes_and_empty_cells_are_those_of_the_csv_module() -> None:
    assert read_rows('age,note\n,"a, ""b""\nc"\n\n') == [{"age": None, "note": 'a, "b"\nc'}]


def test_a_record_alone_is_one_row() -> None:
    assert read_rows(ROWS[0]) == ROWS[:1]


def test_columns_called_columns_and_data_are_columns() -> None:
    assert read_rows({"columns": ["a"], "data": [1]}) == [{"columns": "a", "data": 1}]


def test_an_empty_table_has_no_rows() -> None:
    assert read_rows([]) == read_rows({}) == read_rows("age,city\n") == read_rows({"age": []}) == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (7, "table: 7 given, a list of records"),
        ([{"age": 1}, 5], "input 1: 5 given, a record expected"),
        (
            {"age": [1, 2], "city": ["Bern"]},
            "table: column 'city' has 1 values, column 'age' has 2",
        ),
        ({"age": [1], "city": "Bern"}, "table: column 'city' is 'Bern', a list of values expected"),
        ({"columns": ["a", "b"], "data": [[1]]}, "input 0: 1 values given, 2 expected: a, b"),
        ({"columns": ["a", "a"], "data": [[1, 2]]}, "column 'a' is there more than once"),
        ({"columns": "a", "data": [[1]]}, "columns: 'a' given, a list of names expected"),
        ("a,b\n1,2\n3\n", "input 1: 1 fields given, 2 expected: a, b"),
        ("a,a\n1,2\n", "column 'a' is there more than once"),
        ("", "table: empty, CSV with a header expected"),
        ('a,b\n"1,2\n', "table: not CSV: unexpected end of data"),
        (b"a\n\xff\n", "table: the CSV is not UTF-8"),
    ],
)
def test_a_table_that_is_none_is_refused_with_the_place(table: Any, problem: str) -> None:
    with pytest.raises(InvalidInputs) as refused:
        read_rows(table)
    assert problem in str(refused.value)
