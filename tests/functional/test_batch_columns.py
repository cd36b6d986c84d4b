"""Whole jobs over tables whose columns are not as the model's inputs are called."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.job.job import BatchJob
from serval.batch.start.job_request import JobRequest
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import BatchStage, scheduled

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FLOWER = (TensorSpec("measurements", "FP32", (-1, 4)),)
SCALARS = (TensorSpec("age", "FP32", (-1,)), TensorSpec("income", "INT64", (-1, 1)))
ROWS = [(5.1, 3.5, 1.4, 0.2), (4.9, 3.0, 1.5, 0.3)]


class Echo:
    """A model that answers with what it was given."""

    def run(self, inputs: Any, outputs: Any) -> list[Tensor]:
        arrays = {f"{own.name}_out": own.array for own in inputs}
        return [Tensor(spec.name, spec.datatype, arrays[spec.name]) for spec in outputs]


def echoing(inputs: tuple[TensorSpec, ...], features: Any = None) -> BatchStage:
    outputs = tuple(TensorSpec(f"{own.name}_out", own.datatype, own.shape) for own in inputs)
    columns = {"columns": features} if features else None
    return BatchStage(Signature(inputs, outputs), Echo(), bundle=columns)


def ran(stage: BatchStage, text: str, **options: Any) -> BatchJob:
    return stage.run(stage.upload("rows.csv", text.encode(), options))


def csv(header: str, rows: Any = ROWS) -> str:
    return "\n".join(
        [*([header] if header else []), *(",".join(map(str, row)) for row in rows), ""]
    )


def answered(stage: BatchStage, job: BatchJob) -> list[list[float]]:
    assert (job.status, job.error, job.rejected) == ("succeeded", None, 0)
    lines = stage.output(job, "output.csv").decode().splitlines()[1:]
    return [[float(np.float32(value)) for value in line.split(",")] for line in lines]


EXPECTED = [[float(np.float32(value)) for value in row] for row in ROWS]


@pytest.mark.parametrize(
    ("header", "rows", "options", "by"),
    [
        (",".join(FEATURES), ROWS, {}, "name"),
        (",".join(FEATURES).upper(), ROWS, {}, "case"),
        ("," + ",".join(FEATURES), [(n, *row) for n, row in enumerate(ROWS)], {}, "name"),
        ("id," + ",".join(FEATURES), [(n, *row) for n, row in enumerate(ROWS)], {}, "name"),
        (",".join(FEATURES[::-1]), [row[::-1] for row in ROWS], {}, "name"),
        ("a,b,c,d", ROWS, {"positional": True}, "position"),
        (",a,b,c,d", [(n, *row) for n, row in enumerate(ROWS)], {"positional": True}, "position"),
        ("a,b,c,d", ROWS, {"columns": {"measurements": ["a", "b", "c", "d"]}}, "columns"),
        ("", ROWS, {}, "position"),
        ("0,1,2,3", ROWS, {"csv": {"header": True}}, "name"),
        ("3,2,1,0", [row[::-1] for row in ROWS], {"csv": {"header": True}}, "name"),
    ],
)
def test_columns_are_those_that_are_meant(
    header: str, rows: Any, options: dict[str, Any], by: str
) -> None:
    stage = echoing(FLOWER, {"measurements": list(FEATURES)})
    job = ran(stage, csv(header, rows), **options)
    assert answered(stage, job) == EXPECTED
    (match,) = job.columns
    assert (match["input"], match["by"]) == ("measurements", by)
    asked = JobRequest.from_json("adding", {"input": job.input[0], "options": options})
    (shown,) = stage.planning.preview(asked, "1").columns
    assert shown == {**match, "first": list(map(str, ROWS[0]))}
    assert stage.summary(job)["columns"] == list(job.columns)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (csv("id,length,width,height,depth", [(n, *row) for n, row in enumerate(ROWS)]),
         "name them in 'columns', in the order that the model was trained in, as "
         '{"measurements": ["first", "second", "third", "fourth"]}; or take the first 4 in the '
         "file's order with 'positional': true (--positional)"),
        (csv("Sepal Length,Sepal Width,Petal Length,Petal Width"),
         '{"measurements": ["Sepal Length", "Sepal Width", "Petal Length", "Petal Width"]}'),
        (csv("sepal_length,sepal_width,petal_length,species", ROWS),
         "the file has no column 'petal_width', which input 'measurements' takes; it has "),
        (csv("sepal_length,SEPAL_LENGTH,Sepal_Length,sepal_width,petal_length,Petal_Width",
             [(1, *row, 5) for row in ROWS]), None),
        (csv("SEPAL_LENGTH,Sepal_Length,sepal_width,petal_length,petal_width",
             [(1, *row) for row in ROWS]), "are both called as 'sepal_length' is"),
        (csv("sepal_length,sepal_length,sepal_width,petal_length,petal_width",
             [(1, *row) for row in ROWS]), "has column 'sepal_length' more than once"),
        (csv("", [(1, *row) for row in ROWS]),
         "the file has 5 columns and no header, and the inputs measurements need 4: name them in "
         "'columns', in the order that the model was trained in, as "
         '{"measurements": ["first", "second", "third", "fourth"]}; they are called "column_0", '),
        (csv("0,1,2,3"), "may be a header or not: say which"),
        (csv("7,3,1,2"), "may be a header or not: say which"),
        (csv(",a,b,c,d", [(n, *row) for n, row in enumerate(ROWS)]),
         "the order that the model was trained in, which may not be the file's; if it is, that is "
         '{"measurements": ["a", "b", "c", "d"]}'),
        (csv("a,b,c,d,who", [(*row, "me") for row in ROWS]),
         'if it is, that is {"measurements": ["a", "b", "c", "d"]}'),
        (csv("a,b,c,who", [(*row[:3], "me") for row in ROWS]), 'as {"measurements": ["first", '),
    ],
)  # fmt: skip
def test_columns_that_would_be_guessed_are_refused(text: str, reason: str | None) -> None:
    job = ran(echoing(FLOWER, {"measurements": list(FEATURES)}), text)
    if reason is None:
        assert job.columns[0]["columns"][0] == "sepal_length"
        return
    assert job.status == "failed"
    assert reason.replace("'", '"') in (job.error or "").replace("'", '"')


def test_one_capital_letter_makes_no_column_positional() -> None:
    stage = echoing(SCALARS)
    job = ran(stage, "Income,age,city\n10,1.5,x\n20,2.5,y\n")
    assert answered(stage, job) == [[1.5, 10], [2.5, 20]]
    assert [match["by"] for match in job.columns] == ["name", "case"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("age,city", "has no column 'income', which input 'income' takes; it has 'age', 'city': if "
         "one of them is meant, choose with 'columns', as {\"income\": [\"…\"]}"),
        ("age", "has no column 'income', which input 'income' takes; it has 'age'"),
    ],
)  # fmt: skip
def test_a_column_that_is_missing_is_named(header: str, reason: str) -> None:
    job = ran(echoing(SCALARS), f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    assert reason in (job.error or "")
    assert "delimiter" not in (job.error or "")


def test_columns_may_be_left_out_and_outputs_chosen() -> None:
    stage = echoing(SCALARS)
    output = {"join": True, "leave_out": ["city"], "tensors": ["income_out"]}
    job = ran(stage, "income,age,city\n10,1.5,x\n", output=output)
    assert stage.output(job, "output.csv") == b"income,age,income_out\n10,1.5,10\n"


STRANGERS = ("id", "note", "", "SEPAL_LENGTH", "Petal Width", "sepal_length", "label", "0")
written = st.sampled_from([str, str.upper, str.title, lambda name: name.replace("_", " ")])


@given(
    st.permutations([*range(4)]),
    st.lists(st.sampled_from(STRANGERS), max_size=3),
    st.lists(written, min_size=4, max_size=4),
    st.sets(st.integers(0, 3), max_size=1),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_no_answer_differs_from_the_one_by_name(
    order, more, forms, dropped, headed, random
) -> None:
    """Whatever the columns are and wherever: answers are those by name, or the job is refused."""
    columns = [(forms[n](FEATURES[n]), n) for n in order if n not in dropped]
    columns += [(name, None) for name in more]
    random.shuffle(columns)
    rows = [
        [100 + n if at is None else row[at] for n, (_, at) in enumerate(columns)] for row in ROWS
    ]
    options = {"csv": {"header": True}} if headed else {}
    stage = echoing(FLOWER, {"measurements": list(FEATURES)})

    job = ran(stage, csv(",".join(name for name, _ in columns), rows), **options)

    if job.status == "succeeded":
        used = job.columns[0]["columns"]
        assert [name.casefold() for name in used] == list(FEATURES)
        names = [name for name, _ in columns]
        places = [names.index(name) for name in used]
        given = [[float(np.float32(row[at])) for at in places] for row in rows]
        assert answered(stage, job) == given
        exact = [name for name, at in columns if at is not None]
        if set(FEATURES) <= set(exact) and len(set(names)) == len(names):
            assert given == EXPECTED
    else:
        assert job.error


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("x_0;x_1\n3;4\n", "p/2.csv: its header is 'x_0;x_1'; that of the first file is 'x_0'"),
        ("x_1,x_0\n3,4\n", "p/2.csv: its header is 'x_1', 'x_0'; that of the first"),
        ("3,4\n", "p/2.csv: its header is '3', '4'; that of the first"),
    ],
)
def test_a_second_file_with_another_header_is_refused_at_plan(second: str, reason: str) -> None:
    stage = BatchStage()
    for name, body in (("1.csv", "x_0,x_1\n1,2\n"), ("2.csv", second)):
        stage.objects.upload(f"s3://in-bucket/p/{name}", body.encode())
    event = scheduled("s3://in-bucket/p/", output="s3://out-bucket/{job}/")
    job = stage.run(event)
    assert (job.status, job.shards) == ("failed", 0)
    assert reason in (job.error or "")


def test_a_model_that_takes_a_row_at_a_time_takes_tables_too() -> None:
    stage = echoing((TensorSpec("x", "FP32", (1, 2)),))
    assert answered(stage, ran(stage, "x_1,x_0\n2,1\n4,3\n")) == [[1, 2], [3, 4]]
