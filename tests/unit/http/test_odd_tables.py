"""Tables of calls that are nearly right: uneven, doubled, of long integers, of a task's words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.models.tensor import Tensor
from serval.protocol.delimited import write_csv
from tests.fakes.inference import Bench, bench, identity, signature
from tests.fakes.protocol_calls import Answer, call
from tests.fakes.task_models import publish_sentiment

LARGE = 2**53 + 1
"""The first whole number that FP64 does not hold."""


def score(ready: Bench, body: Any, model: str = "adder", **headers: str) -> Answer:
    return call(ready, f"/mlflow/{model}/invocations", body, **headers)


def split(columns: list[Any], *rows: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": list(rows)}}


@pytest.fixture
def of_rows(ready: Bench) -> Bench:
    """The model ``rows``, which takes a text in a column ``x``."""
    graph, sign = identity("BYTES", ["n", 1]), signature("BYTES", [-1, 1])
    task = {"name": "tabular-classification"}
    ready.edge.publish_task("rows", graph, sign, task, config=b"{}")
    return ready


@pytest.mark.parametrize("row", [["b", "c"], [], 1, "a", {"x": "a"}, None])
def test_a_row_that_has_no_cell_for_each_column_is_named(of_rows: Bench, row: Any) -> None:
    answer = score(of_rows, split(["x"], ["a"], row), "rows")
    assert answer.status == 400
    assert answer.json["message"].startswith("row 1 is ")
    assert answer.json["message"].endswith(", a list of 1 cells expected")


@pytest.mark.parametrize("row", [["b", "c", 1], [1], [], 1, "a", {"x": "a"}, None])
def test_a_row_of_tensors_that_has_other_cells_is_refused(ready: Bench, row: Any) -> None:
    answer = score(ready, split(["x_0", "x_1"], [1, 2], row))
    assert answer.status == 400
    assert "row 1 is" in answer.json["message"] or "shape [2, 2]" in answer.json["message"]


@pytest.mark.parametrize("datatype", ["INT64", "UINT64"])
@pytest.mark.parametrize(
    "body",
    [
        split(["x_0", "x_1"], [LARGE, 1]),
        split(["x_0", "x_1"], [LARGE, 1.0]),
        split(["x_0", "x_1"], [LARGE, "1"]),
        {"dataframe_records": [{"x_0": LARGE, "x_1": 1}]},
        {"instances": [{"x_0": LARGE, "x_1": 1}]},
        {"inputs": {"x_0": [LARGE], "x_1": [1]}},
        f"x_0,x_1\n{LARGE},1\n".encode(),
        f"x_0,x_1\n {LARGE} ,1.0\n".encode(),
    ],
)
def test_a_long_integer_arrives_as_it_was_sent(ready: Bench, datatype: str, body: Any) -> None:
    ready.edge.publish("adder", "1", identity(datatype, ["n", 2]), signature(datatype, [-1, 2]))
    headers = {"content_type": "text/csv"} if isinstance(body, bytes) else {}
    assert score(ready, body, **headers).json == {"predictions": [[LARGE, 1]]}


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (2**63, f"{2**63} does not fit INT64"),
        (1.5, "1.5, an integer expected"),
        (1e300, "1e+300, an integer expected"),
        (f"{LARGE}.0", f"'{LARGE}.0', an integer expected"),
        (None, "null, an integer expected"),
        (True, "true, a number expected"),
        ("1_0", "'1_0', a number expected"),
        ("\u0661", "a number expected"),
    ],
)
def test_what_is_no_integer_of_64_bits_is_named(ready: Bench, cell: Any, words: str) -> None:
    ready.edge.publish("adder", "1", identity("INT64", ["n", 2]), signature("INT64", [-1, 2]))
    answer = score(ready, split(["x_0", "x_1"], [LARGE, 1], [2, cell]))
    assert answer.status == 400
    assert words in answer.json["message"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataframe_records": [{"x_0": 1, "x_1": 2}, {"x_0": 1, "x_0": 3, "x_1": 2}]}',
        b'{"dataframe_records": [{"x_0": 1, "x_0": 3, "x_1": 2}], "params": {}}',
        b'{"instances": [{"x_0": 1, "x_1": 2}, {"x_0": 1, "x_0": 3, "x_1": 2}]}',
    ],
)
def test_a_member_of_a_record_is_there_once(ready: Bench, body: bytes) -> None:
    answer = score(ready, body)
    assert (answer.status, answer.json["message"]) == (
        400,
        "member 'x_0' is there 2 times in one JSON object",
    )


def test_colons_in_texts_do_not_look_like_members(ready: Bench) -> None:
    graph, sign = identity("BYTES", ["n", 1]), signature("BYTES", [-1, 1])
    ready.edge.publish("adder", "1", graph, sign)
    records = [{"x": "12:30"}, {"x": "::"}]
    answer = score(ready, {"dataframe_records": records})
    assert answer.json == {"predictions": [["12:30"], ["::"]]}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (split(["x_0", "x_1", "x_0"], [1, 2, 3]), "application/json"),
        (b"x_0,x_1,x_0\n1,2,3\n", "text/csv"),
    ],
)
def test_a_column_is_there_once(ready: Bench, body: Any, content_type: str) -> None:
    answer = score(ready, body, content_type=content_type)
    assert answer.status == 400
    assert "column 'x_0' is there more than once" in answer.json["message"]


@pytest.mark.parametrize("line", [b"True,1", b"1;2", b"0x10,2"])
def test_an_only_line_of_csv_that_reads_like_names_is_called_that(
    ready: Bench, line: bytes
) -> None:
    answer = call(ready, "/endpoints/adder/invocations", line, content_type="text/csv")
    assert answer.status == 400
    assert "declare 'text/csv; header=absent' if that line is a row" in answer.json["Message"]


def test_names_that_were_announced_need_a_row(ready: Bench) -> None:
    """MLflow's CSV always has them, so there is nothing to declare."""
    said = "the CSV has a line of names and none of cells"
    assert score(ready, b"x_0,x_1", content_type="text/csv").json["message"] == said
    declared = {"content_type": "text/csv;header=present"}
    answer = call(ready, "/endpoints/adder/invocations", b"1,2", **declared)
    assert answer.json["Message"] == said


def test_lines_of_csv_are_written_as_they_can_be_read() -> None:
    texts = Tensor("t", "BYTES", np.array([[b"c\nd"], [b"e\rf"], [b'g"h'], [b"\0"]], np.object_))
    assert write_csv([texts]) == b'"c\nd"\n"e\rf"\n"g""h"\n\0\n'


@pytest.mark.parametrize("shape", [(0, 2), (0,), (0, 2, 3)])
def test_no_rows_are_no_lines(shape: tuple[int, ...]) -> None:
    assert write_csv([Tensor("y", "FP32", np.zeros(shape, np.float32))]) == b""


@pytest.mark.parametrize(
    "body",
    [
        split(["text"], ["good"], ["bad"]),
        split(["review"], ["good"], ["bad"]),
        {"dataframe_records": [{"text": "good"}, {"text": "bad"}]},
        {"dataframe_records": [{"text": "good"}, {"text": "bad"}], "params": {"top_k": 1}},
        b"text\ngood\nbad\n",
    ],
)
def test_a_frame_of_a_text_task_has_a_text_in_each_row(tmp_path: Path, body: Any) -> None:
    made = bench(tmp_path)
    made.edge.grant("srv_good")
    publish_sentiment(made.edge, "adder")
    headers = {"content_type": "text/csv"} if isinstance(body, bytes) else {}
    found = score(made, body, **headers).json["predictions"]
    assert [one[0]["label"] for one in found] == ["POSITIVE", "NEGATIVE"]


@pytest.mark.parametrize("columns", [["input_ids_0", "input_ids_1"], ["first", "second"]])
def test_a_frame_of_a_text_model_s_tensors_stays_one(tmp_path: Path, columns: list[str]) -> None:
    """Its columns may have names of their own in ``model.yaml``."""
    made = bench(tmp_path)
    made.edge.grant("srv_good")
    publish_sentiment(made.edge, "adder")
    record = made.edge.records["adder", "1"]
    named = {**record.bundle, "columns": {"input_ids": ["first", "second"]}}
    made.edge.records["adder", "1"] = replace(record, bundle=named)
    answer = score(made, split(columns, [2, 2]))
    assert "input_ids" in answer.json["message"]
