"""MLflow's scoring protocol: its four forms of JSON, CSV, and its errors."""

import math
from dataclasses import replace
from typing import Any

import pytest

from serval.models.signature import Signature, TensorSpec
from tests.fakes.inference import Bench, identity, signature
from tests.fakes.protocol_calls import Answer, call

SPLIT = {"columns": ["second", "first"], "index": [7, 8], "data": [[2, 1], [4.5, 3]]}
RECORDS = [{"first": 1, "second": 2, "id": 7}, {"first": 3, "second": 4.5, "id": 8}]


@pytest.fixture
def scored(ready: Bench) -> Bench:
    """The model ``adder``, whose columns have names."""
    record = ready.edge.records["adder", "1"]
    columns = {"columns": {"x": ["first", "second"]}}
    ready.edge.records["adder", "1"] = replace(record, bundle=columns)
    return ready


def score(ready: Bench, body: Any, **headers: str) -> Answer:
    return call(ready, "/mlflow/adder/invocations", body, **headers)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_records": RECORDS},
        {"dataframe_records": RECORDS, "params": {}},
        {"dataframe_records": [{"first": 1, "second": 2}, {"second": 4.5, "first": 3}]},
        {"dataframe_split": {"columns": [0, 1], "data": [[1, 2], [3, 4.5]]}},
        {"instances": [[1, 2], [3, 4.5]]},
        {"inputs": [[1, 2], [3, 4.5]]},
        {"inputs": {"x": [[1, 2], [3, 4.5]]}},
        {"inputs": {"first": [1, 3], "second": [2, 4.5]}, "params": {}},
    ],
)
def test_every_form_gives_the_same_predictions(scored: Bench, body: Any) -> None:
    answer = score(scored, body, content_type="application/json; format=pandas-split")
    assert (answer.status, answer.json) == (200, {"predictions": [[2, 3], [4, 5.5]]})


@pytest.mark.parametrize(
    "body",
    [
        b"first,second\n1,2\n3,4.5\n",
        b'\xef\xbb\xbf"first","second"\r\n"1",2\r\n3,4.5',
        b"name,second,first\nann,2,1\nbob,4.5,3\n",
    ],
)
def test_csv_has_a_header(scored: Bench, body: bytes) -> None:
    answer = score(scored, body, content_type="text/csv; charset=utf-8")
    assert answer.json == {"predictions": [[2, 3], [4, 5.5]]}


def test_what_is_empty_is_nan(scored: Bench) -> None:
    split = {"columns": ["first", "second"], "data": [[1, None]]}
    as_mlflow_writes_it = {"columns": ["first", "second"], "data": [[1, math.nan]]}
    for answer in (
        score(scored, {"dataframe_split": split}),
        score(scored, {"dataframe_split": as_mlflow_writes_it}),
        score(scored, b"first,second\n1,\n", content_type="text/csv"),
    ):
        assert answer.json == {"predictions": [[2, "NaN"]]}


@pytest.mark.parametrize(
    ("options", "filled"), [({"imputed": ["x"]}, ["a", ""]), ({}, None), (None, None)]
)
@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["x"], "data": [["a"], [math.nan]]}},
        {"dataframe_records": [{"x": "a"}, {"x": math.nan}]},
    ],
)
def test_a_text_that_is_nan_is_missing_and_no_word(
    ready: Bench, body: Any, options: Any, filled: Any
) -> None:
    """pandas has NaN for a missing text, too, and the client writes it as it is."""
    graph, sign = identity("BYTES", ["n", 1]), signature("BYTES", [-1, 1])
    if options is None:
        ready.edge.publish("words", "1", graph, sign)
    else:
        task = {"name": "tabular-classification", **options}
        ready.edge.publish_task("words", graph, sign, task, config=b"{}")
    answer = call(ready, "/mlflow/words/invocations", body)
    if filled is None:
        assert answer.status == 400
        assert "null" in answer.json["message"]
    else:
        assert answer.json == {"predictions": filled}


def test_a_body_with_nan_has_no_member_twice(ready: Bench) -> None:
    twice = score(ready, b'{"inputs": [[NaN, 1]], "inputs": [[2, 3]]}')
    assert "'inputs' is there 2 times" in twice.json["message"]
    for bare in (b"NaN", b"[NaN]"):
        assert "not an object with one of" in score(ready, bare).json["message"]


def test_columns_fill_inputs_of_every_type(ready: Bench) -> None:
    for datatype, values in (
        ("BYTES", ["a", "7"]),
        ("BOOL", [True, False]),
        ("INT64", [2**60, -1]),
    ):
        spec = TensorSpec("x", datatype, (-1, 1))
        sign = Signature((spec,), (replace(spec, name="y"),))
        ready.edge.publish("adder", "1", identity(datatype, ["n", 1]), sign)
        ready.endpoint.inference.loaded.let_go("adder", "1")
        body = {"dataframe_split": {"columns": ["x"], "data": [[value] for value in values]}}
        assert score(ready, body).json == {"predictions": [[value] for value in values]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "one of 'dataframe_split', 'dataframe_records', 'instances', 'inputs' expected"),
        ({"dataframe_split": {"columns": ["first"]}}, "'dataframe_split': 'data' is not a list"),
        ({"dataframe_split": {**SPLIT, "columns": ["a", "b"]}}, "no columns are called as input"),
        ({"dataframe_split": {**SPLIT, "data": [[1, 2], [3]]}}, "does not follow shape [2, 2]"),
        ({"dataframe_split": {**SPLIT, "data": [[1, "a"]]}}, "element 0 is 'a', a number expected"),
        ({"dataframe_records": [{"first": 1, "second": 2}, {"first": 1}]}, "dataframe_records[1]"),
        (
            {"dataframe_records": [{"first": 1, "second": 2}, {"first": 1, "third": 2}]},
            "records[1]",
        ),
        (
            {"dataframe_records": [{"first": 1, "second": 2}, ["first", "second"]]},
            "records[1] is [",
        ),
        ({"dataframe_records": [{"first": 1, "second": True}]}, "true, a number expected"),
        (b'{"dataframe_records": [{"first": 1}], "dataframe_records": [{}]}', "is there 2 times"),
        ({"dataframe_records": []}, "dataframe_records: [] given, an object of columns expected"),
        ({"dataframe_records": [4]}, "dataframe_records: 4 given, an object of columns expected"),
        ({"inputs": [[1, 2]], "params": {"k": 1}}, "parameters k: model 'adder' takes none"),
        ({"inputs": [[1, 2]], "params": 4}, "parameter 'params': 4 given, an object expected"),
    ],
)
def test_a_mistake_is_an_error_code_and_a_message(scored: Bench, body: Any, words: str) -> None:
    answer = score(scored, body)
    assert (answer.status, answer.json["error_code"]) == (400, "BAD_REQUEST")
    assert words in answer.json["message"]


def test_errors_have_mlflow_s_codes(scored: Bench) -> None:
    typed = score(scored, b"first", content_type="text/plain")
    assert (typed.status, typed.json["error_code"]) == (415, "BAD_REQUEST")
    assert "write a table as 'dataframe_split' or CSV, or run a batch job" in typed.json["message"]
    parquet = score(scored, b"PAR1", content_type="application/vnd.apache.parquet")
    assert (parquet.status, parquet.json["error_code"]) == (415, "BAD_REQUEST")
    assert "application/json or text/csv expected" in parquet.json["message"]
    absent = call(scored, "/mlflow/absent/invocations", {"inputs": [[1, 2]]})
    assert (absent.status, absent.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    stranger = score(scored, {"inputs": [[1, 2]]}, x_api_key="srv_bad")
    assert (stranger.status, stranger.json["error_code"]) == (401, "UNAUTHENTICATED")
    for path in ("/mlflow/adder/score", "/mlflow/adder"):
        elsewhere = call(scored, path, {})
        assert "there is POST /mlflow/adder/invocations" in elsewhere.json["message"]


def test_lines_of_other_lengths_are_refused(scored: Bench) -> None:
    answer = score(scored, b"first,second\n1,2\n3\n", content_type="text/csv")
    assert "line 3 of the CSV: 1 fields given, 2 expected" in answer.json["message"]
    multiple = score(scored, b'first,second\n"1",2\n\n"3\n4",5\n6', content_type="text/csv")
    assert "line 6 of the CSV: 1 fields given, 2 expected" in multiple.json["message"]


def test_what_only_batch_jobs_can_do_about_columns_is_not_advised(scored: Bench) -> None:
    named = score(scored, {"dataframe_split": {**SPLIT, "columns": ["a", "b"]}}).json["message"]
    bare = score(scored, {"dataframe_split": {"data": [[1, 2, 3]]}}).json["message"]
    for message in (named, bare):
        assert "the table has" in message
        assert "'columns' in model.yaml" in message
        assert "positional" not in message
        assert "file" not in message
