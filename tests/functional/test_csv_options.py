"""Whole jobs over CSV as others write it, and what the options for it do."""

from typing import Any

import pytest

from serval.batch.job.job import BatchJob
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import BatchStage

X, NOTE, COUNT = (
    TensorSpec("x", "FP32", (-1,)),
    TensorSpec("note", "BYTES", (-1,)),
    TensorSpec("count", "INT64", (-1,)),
)


class Echo:
    """A model that answers with what it was given."""

    def run(self, inputs: Any, outputs: Any) -> list[Tensor]:
        arrays = {f"{own.name}_out": own.array for own in inputs}
        return [Tensor(spec.name, spec.datatype, arrays[spec.name]) for spec in outputs]


def ran(body: bytes, *inputs: TensorSpec, **options: Any) -> tuple[BatchStage, BatchJob]:
    outputs = tuple(TensorSpec(f"{own.name}_out", own.datatype, own.shape) for own in inputs)
    stage = BatchStage(Signature(inputs, outputs), Echo())
    chosen = {"max_rejected_percent": 100, **options}
    return stage, stage.run(stage.upload("rows.csv", body, chosen))


def answers(body: bytes, *inputs: TensorSpec, **csv: Any) -> tuple[list[str], list[str]]:
    """Give the lines of the output, and why records were rejected."""
    stage, job = ran(body, *inputs, csv=csv)
    assert (job.status, job.error) == ("succeeded", None)
    reasons = stage.summary(job)["reasons"]
    return stage.output(job, "output.csv").decode().splitlines()[1:], reasons


@pytest.mark.parametrize(
    ("body", "csv", "lines"),
    [
        (b"x,note\n1,a\nNA,b\n", {"null_values": ["NA"]}, ["1.0,a", "NaN,b"]),
        (b"x;note\n1,5;a\n-2,25;b\n", {"decimal": ","}, ["1.5,a", "-2.25,b"]),
        (b"x,note\n1\n2,b\n3,c,,\n", {"ragged": "pad"}, ['1.0,""', "2.0,b", "3.0,c"]),
        (b"x,note\n1,'a,b'\n2,'c'\n", {"quote": "'", "delimiter": ","}, ['1.0,"a,b"', "2.0,c"]),
        (b'x,note\n1,"a\\"b"\n2,"c\\,"\n', {"escape": "\\", "delimiter": ","},
         ['1.0,"a""b"', '2.0,"c,"']),
        ("x,note\n1,é\n".encode("windows-1252"), {"encoding": "windows-1252"}, ["1.0,é"]),
        ("x,note\n1,é\n".encode("utf-16"), {"encoding": "utf-16"}, ["1.0,é"]),
        ("note,x\n日本,1\n".encode("shift_jis"), {"encoding": "shift_jis"}, ["1.0,日本"]),
    ],
    ids=["null values", "decimal comma", "ragged", "quote", "escape", "1252", "utf-16", "sjis"],
)  # fmt: skip
def test_what_others_write_is_read_as_the_job_says(
    body: bytes, csv: dict[str, Any], lines: list[str]
) -> None:
    assert answers(body, X, NOTE, **csv) == (lines, [])


def test_an_empty_field_is_a_missing_value_where_there_is_one() -> None:
    body = b'x,note,count\n,"",1\n"",,2\n3,a,\n4,b,""\n'
    lines, reasons = answers(body, X, NOTE, COUNT)
    assert lines == ['NaN,"",1', 'NaN,"",2']
    assert reasons == ["column 'count' is empty, and INT64 has no missing value"] * 2


def test_an_empty_field_may_be_refused() -> None:
    lines, reasons = answers(b"x,note\n,a\n1,\n2,b\n", X, NOTE, empty="reject")
    assert lines == ["2.0,b"]
    assert reasons == ["column 'x' is empty", "column 'note' is empty"]


def test_a_decimal_comma_is_no_number_unless_asked_for() -> None:
    _, job = ran(b"x;note\n1,5;a\n", X, NOTE)
    said = "column 'x': '1,5' is no FP32; where a comma stands before decimals, choose csv.decimal"
    assert f"its first record does not fit: {said} ','" in (job.error or "")


def test_a_decimal_point_is_no_number_where_a_comma_was_asked_for() -> None:
    _, job = ran(b"x;note\n1.5;a\n", X, NOTE, csv={"decimal": ","})
    assert "where a point stands before decimals, choose csv.decimal '.'" in (job.error or "")


def test_a_comma_beside_a_point_is_no_decimal_comma() -> None:
    lines, reasons = answers(b"x;note\n1.234,5;a\n1,5;b\n", X, NOTE, decimal=",")
    assert lines == ["1.5,b"]
    assert reasons == ["column 'x': '1.234,5' is no FP32"]


def test_a_column_may_fill_inputs_of_two_datatypes() -> None:
    columns = {"x": ["id"], "note": ["id"]}
    stage, job = ran(b"id\n7\n8\n", X, NOTE, columns=columns)
    assert stage.output(job, "output.csv") == b"x_out,note_out\n7.0,7\n8.0,8\n"


@pytest.mark.parametrize(
    ("body", "csv", "reason"),
    [
        (
            b"x\n1\n\x81\n",
            {"encoding": "windows-1252"},
            "the text is not windows-1252",
        ),
        (b"x,note\n1,'a'b\n", {"quote": "'", "delimiter": ","}, "line 2: its quotes are not as"),
        (b"x,note\n1,'a\n", {"quote": "'", "delimiter": ","}, "its quotes are not as csv.quote"),
    ],
)
def test_what_is_not_as_the_job_says_is_refused(
    body: bytes, csv: dict[str, Any], reason: str
) -> None:
    _, job = ran(body, X, csv={"header": True, **csv})
    assert job.status == "failed"
    assert reason in (job.error or "")
