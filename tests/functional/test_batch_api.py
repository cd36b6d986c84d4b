"""The ``batch`` function, from API Gateway's events to its replies."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serval.clock import timestamp
from serval.models.version import remove_tag
from tests.fakes.batch import ADDING, BatchStage
from tests.fakes.batch_api import (
    DATA_BUCKET,
    INPUT,
    MATCHED,
    OTHER_KEY,
    Bench,
    for_two_callers,
    get,
    start,
)
from tests.fakes.handlers import ROOT, imported, recorded
from tests.fakes.requests import START
from tests.fakes.submission import HOST, answered, call, refusal

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "REGISTRY_TABLE": "registry",
    "JOBS_TABLE": "jobs",
    "DATA_BUCKET": DATA_BUCKET,
    "BATCH_MACHINE": "arn:aws:states:eu-central-1:123456789012:stateMachine:batch",
    "SHARD_MEMORY_MIB": "1769",
    "SHARDS_AT_ONCE": "40",
    "BATCH_JOBS_PER_MINUTE": "60",
    "BATCH_OPEN_JOBS": "20",
    "BATCH_LEAST_SHARD_BYTES": "1000",
}


@pytest.fixture
def bench() -> Bench:
    return for_two_callers()


def keyed(bench: Bench, idempotency_key: str, body: Any = INPUT, **more: Any) -> dict[str, Any]:
    given = call("batch_start", "/batch/models/iris/jobs", body, **more)
    given["headers"]["idempotency-key"] = idempotency_key
    return bench.endpoint.reply(given)


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("batch_start", 202),
        ("batch_dry_run", 200),
        ("batch_list", 200),
        ("batch_get", 200),
        ("batch_cancel", 200),
        ("batch_retry", 202),
    ],
)
def test_the_handler_answers_recorded_events(
    event: str, status: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"status": "failed"} if event == "batch_retry" else {}
    bench.job("20261121T101530-3f9c01ab55d2", **state)
    handler = imported("batch", ENVIRONMENT, bench.endpoint, monkeypatch).handler
    answered(handler(recorded(event), None), status)


def test_a_start_makes_a_row_and_then_an_execution_of_its_name(bench: Bench) -> None:
    reply = start(bench)
    document = answered(reply, 202)
    row = bench.row
    assert document["id"] == row.id
    assert bench.executions.started == [(row.id, row.id)]
    assert bench.announced == [(row.id, "queued")]
    assert reply["headers"]["location"] == f"https://{HOST}/batch/jobs/{row.id}"
    assert reply["headers"]["retry-after"] == "1"
    assert (row.model, row.origin, row.input) == ("iris", "api", ("s3://orders/rows.csv",))


def test_a_queued_job_has_everything_but_counts(bench: Bench) -> None:
    document = answered(start(bench, {**INPUT, "options": {"concurrency": 3}}), 202)
    job_id = document["id"]
    assert document == {
        "id": job_id,
        "status": "queued",
        "model": "iris",
        "version": None,
        "origin": "api",
        "input": "s3://orders/rows.csv",
        "output": f"s3://{DATA_BUCKET}/batch/iris/out/{job_id}/",
        "created": timestamp(START + timedelta(seconds=1)),
        "started": None,
        "finished": None,
        "attempt": 1,
        "error": None,
        "shards": 0,
        "columns": [],
        "estimate": None,
        "shards_done": None,
        "rows": None,
        "rejected": None,
        "rows_per_second": None,
        "percent": None,
        "seconds_left": None,
        "cost_usd": None,
    }
    assert bench.row.options.concurrency == 3


def test_a_crash_before_the_execution_is_mended_by_the_same_call(bench: Bench) -> None:
    bench.executions.failing = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        keyed(bench, "order-1")
    assert bench.executions.started == []
    bench.executions.failing = None
    document = answered(keyed(bench, "order-1"), 202)
    assert bench.executions.started == [(document["id"], document["id"])]


def test_the_same_key_and_body_are_the_same_job(bench: Bench) -> None:
    first = answered(keyed(bench, "order-1"), 202)
    spaced = json.dumps({"options": {}, **INPUT}, indent=4)
    assert answered(keyed(bench, "order-1", spaced), 202)["id"] == first["id"] == bench.row.id
    assert bench.executions.started == [(first["id"], first["id"])]


def test_a_job_that_ended_is_answered_with_200_to_its_key(bench: Bench) -> None:
    first = answered(keyed(bench, "order-1"), 202)
    bench.ended(first["id"])
    assert answered(keyed(bench, "order-1"), 200)["status"] == "succeeded"


@pytest.mark.parametrize(
    "body", [{"input": "s3://orders/else.csv"}, {**INPUT, "options": {"concurrency": 2}}]
)
def test_another_body_under_the_same_key_is_a_conflict(body: Any, bench: Bench) -> None:
    first = answered(keyed(bench, "order-1"), 202)
    said = refusal(keyed(bench, "order-1", body), 409)
    assert f"batch job '{first['id']}': something else was asked with this idempotency-key" in said


def test_the_same_key_of_another_model_is_another_job(bench: Bench) -> None:
    first = answered(keyed(bench, "order-1"), 202)
    given = call("batch_start", "/batch/models/digits/jobs", INPUT)
    given["headers"]["idempotency-key"] = "order-1"
    second = answered(bench.endpoint.reply(given), 202)
    assert (second["model"], second["id"] != first["id"]) == ("digits", True)


def test_a_key_finds_the_job_that_an_earlier_serval_made_of_it(bench: Bench) -> None:
    answered(keyed(bench, "order-1"), 202)
    earlier = replace(bench.row, id=remove_tag(bench.row.id))
    bench.store.rows.clear()
    bench.store.create(earlier)
    assert answered(keyed(bench, "order-1"), 202)["id"] == earlier.id
    refusal(keyed(bench, "order-1", {**INPUT, "options": {"concurrency": 2}}), 409)
    assert list(bench.store.rows) == [earlier.id]


def test_the_same_key_of_another_caller_is_another_job(bench: Bench) -> None:
    bench.grant("srv_another")
    first = answered(keyed(bench, "order-1"), 202)
    second = answered(keyed(bench, "order-1", key="srv_another"), 202)
    assert first["id"] != second["id"]


@pytest.mark.parametrize("key", ["", "  ", "k" * 256])
def test_a_key_that_is_none_is_refused(key: str, bench: Bench) -> None:
    assert "parameter 'idempotency-key'" in refusal(keyed(bench, key), 400)
    assert bench.store.rows == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "input: null given"),
        ("{", "the body is not valid JSON"),
        ([1], "[1] given, {"),
        ({"input": "rows.csv"}, "input: 'rows.csv' given, 's3://bucket/key' expected"),
        ({**INPUT, "options": {"formt": "csv"}}, "options: 'formt' is not known; there is format"),
        ({**INPUT, "options": {"concurrency": 0}}, "concurrency: 0 given, 1 to 1000 expected"),
        (
            {"input": "s3://orders/", "output": "s3://orders/out/"},
            "output s3://orders/out/ overlaps input s3://orders/",
        ),
        ({**INPUT, "output": "s3://out/{day}/"}, "{day} is not known; there is {date}"),
    ],
)
@pytest.mark.parametrize("query", ["", "dry_run=true"])
def test_what_cannot_be_done_is_refused_and_named(
    query: str, body: Any, said: str, bench: Bench
) -> None:
    given = call("batch_start", "/batch/models/iris/jobs", body)
    given["queryStringParameters"] = dict(part.split("=") for part in query.split("&") if part)
    assert said in refusal(bench.endpoint.reply(given), 400)
    assert bench.store.rows == {}
    assert bench.executions.started == []


def test_no_body_is_no_input(bench: Bench) -> None:
    given = call("batch_start", "/batch/models/iris/jobs")
    del given["body"]
    assert "input: null given" in refusal(bench.endpoint.reply(given), 400)


def test_a_model_that_is_not_there_starts_nothing(bench: Bench) -> None:
    assert "'rose' is not registered" in refusal(start(bench, model="rose"), 404)


def test_a_model_out_of_scope_starts_nothing(bench: Bench) -> None:
    refusal(start(bench, key=OTHER_KEY), 403)
    assert bench.store.rows == {}


def test_a_dry_run_says_what_it_would_take_and_starts_nothing(bench: Bench) -> None:
    given = recorded("batch_dry_run")
    document = answered(bench.endpoint.reply(given), 200)
    assert document == {
        "dry_run": True,
        "model": "iris",
        "version": "3",
        "input": "s3://serval-prod-data/batch/iris/rows.csv",
        "output": f"s3://{DATA_BUCKET}/batch/iris/out/{{job}}/",
        "files": 1,
        "input_bytes": 4000,
        "rows": 400,
        "exact_rows": False,
        "shards": 4,
        "columns": list(MATCHED),
        "seconds": 30,
        "cost_usd": 0.0012,
    }
    assert bench.store.rows == {}
    assert bench.executions.started == []
    assert [version for _, version in bench.previewed] == ["3"]


def test_a_dry_run_of_what_cannot_be_read_says_why(bench: Bench) -> None:
    bench.unreadable = "input: s3://orders/rows.csv does not exist"
    reply = bench.endpoint.reply(recorded("batch_dry_run"))
    assert "does not exist" in refusal(reply, 400)


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_dry_run_is_asked_for_in_so_many_words(value: str, bench: Bench) -> None:
    given = recorded("batch_dry_run")
    given["queryStringParameters"] = {"dry_run": value}
    assert "parameter 'dry_run'" in refusal(bench.endpoint.reply(given), 400)


def test_a_job_that_is_started_over_the_api_runs_to_its_end() -> None:
    stage = BatchStage()
    stage.objects.upload("s3://orders/rows.csv", b"x_0,x_1\n1,2\n3,4\nfive,6\n")
    bench = Bench(store=stage.store, objects=stage.objects)  # type: ignore[arg-type]
    bench.edge.publish("adding", "1", b"", ADDING)
    body = {**INPUT, "options": {"max_rejected_percent": 50}}
    started = answered(start(bench, body, "adding"), 202)
    ((name, job_id),) = bench.executions.started
    assert (name, job_id) == (started["id"], started["id"])

    stage.run({"origin": "api", "job": job_id}, name)

    document = get(bench, job_id)
    assert (document["status"], document["error"]) == ("succeeded", None)
    assert (document["version"], document["rows"], document["rejected"]) == ("1", 2, 1)
    assert (document["shards"], document["shards_done"], document["percent"]) == (1, 1, 100.0)
    assert document["estimate"]["format"] == "csv"
    assert stage.objects.body(f"{started['output']}output.csv").count(b"\n") == 3


def test_only_a_dry_run_loads_what_reads_an_input() -> None:
    readers = "{'numpy', 'onnxruntime', 'polars', 'pydantic', 'zstandard'}"
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'functions' / 'batch')!r}); import handler\n"
        f"print(*{readers} & {{name.split('.')[0] for name in sys.modules}})\n"
        "from serval.bootstrap.batch.batch import BatchSettings, preview_plan\n"
        "preview_plan(BatchSettings.from_environment(), None, None, None)\n"
        "print('polars' in sys.modules)"
    )
    environment = os.environ | {"AWS_REGION": "eu-central-1", **ENVIRONMENT}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split("\n")[:2] == ["", "True"]


def test_a_member_that_is_there_twice_is_refused(bench: Bench) -> None:
    body = '{"input": "s3://orders/rows.csv", "options": {"format": "csv", "format": "jsonl"}}'
    assert "member 'format' is there 2 times" in refusal(start(bench, body), 400)


@pytest.mark.parametrize("place", ["options", "columns", "csv", "output", "input"])
def test_a_refusal_is_short_whatever_was_sent(bench: Bench, place: str) -> None:
    long = "x" * 5000
    bodies: dict[str, Any] = {
        "options": INPUT | {"options": {long: 1}},
        "columns": INPUT | {"options": {"columns": {long: 1}}},
        "csv": INPUT | {"options": {"csv": {long: 1}}},
        "output": INPUT | {"output": f"s3://orders/{long}{{{long}}}/"},
        "input": {"input": f"s3://{long}"},
    }
    assert len(refusal(start(bench, bodies[place]), 400)) < 500
