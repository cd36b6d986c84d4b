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
from serval.models.tag import remove_tag
from tests.fakes.batch import ADDING, BatchStage
from tests.fakes.batch_api import DATA_BUCKET, MATCHED, Bench
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
OTHER_KEY = "srv_of-digits-alone"
INPUT = {"input": "s3://orders/rows.csv"}


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.grant(OTHER_KEY, "digits")
    return bench


def start(bench: Bench, body: Any = INPUT, model: str = "iris", **more: Any) -> dict[str, Any]:
    given = call("batch_start", f"/batch/models/{model}/jobs", body, **more)
    del given["headers"]["idempotency-key"]
    return bench.endpoint.reply(given)


def keyed(bench: Bench, idempotency_key: str, body: Any = INPUT, **more: Any) -> dict[str, Any]:
    given = call("batch_start", "/batch/models/iris/jobs", body, **more)
    given["headers"]["idempotency-key"] = idempotency_key
    return bench.endpoint.reply(given)


def ask(bench: Bench, event: str, path: str, query: str = "", **more: Any) -> dict[str, Any]:
    given = call(event, path, **more)
    given["queryStringParameters"] = dict(part.split("=") for part in query.split("&") if part)
    return bench.endpoint.reply(given)


def get(bench: Bench, job_id: str = "j1", **more: Any) -> dict[str, Any]:
    return answered(ask(bench, "batch_get", f"/batch/jobs/{job_id}", **more), 200)


def listed(bench: Bench, query: str = "", **more: Any) -> list[str]:
    document = answered(ask(bench, "batch_list", "/batch/jobs", query, **more), 200)
    return [job["id"] for job in document["jobs"]]


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
        ({}, "input: None given"),
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
    assert "input: None given" in refusal(bench.endpoint.reply(given), 400)


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


def test_a_running_job_adds_up_what_its_shards_say(bench: Bench) -> None:
    bench.running()
    bench.clock.pass_seconds(8)
    bench.shard(0, status="done", rows=99, rejected=1, read_bytes=1000, busy_ms=4000)
    bench.shard(1, status="running", rows=50, read_bytes=500, busy_ms=2000)
    document = get(bench)
    assert (document["status"], document["version"], document["shards"]) == ("running", "3", 4)
    assert (document["shards_done"], document["rows"], document["rejected"]) == (1, 149, 1)
    assert document["percent"] == 37.5
    # Begun 10 s ago: two looks at the clock, and 8 s.
    assert document["rows_per_second"] == 14.9
    assert document["seconds_left"] == round(10 * 2500 / 1500)
    assert 0 < document["cost_usd"] < 0.01
    assert document["estimate"]["rows"] == 400


def test_the_rate_of_a_retried_job_is_that_of_its_new_attempt(bench: Bench) -> None:
    bench.running(attempt=2)
    bench.clock.pass_seconds(8)
    bench.shard(0, status="done", rows=300, read_bytes=3000)
    bench.shard(1, attempt=2, rows=10, read_bytes=500)
    document = get(bench)
    assert (document["attempt"], document["rows"]) == (2, 310)
    assert document["rows_per_second"] == 1.0
    assert document["seconds_left"] == round(10 * 500 / 500)


def test_a_job_that_has_just_begun_has_no_rate(bench: Bench) -> None:
    bench.running()
    document = get(bench)
    assert (document["rows"], document["rows_per_second"], document["seconds_left"]) == (
        0,
        None,
        None,
    )


def test_a_job_that_has_ended_has_what_its_end_recorded(bench: Bench) -> None:
    bench.ended()
    reply = ask(bench, "batch_get", "/batch/jobs/j1")
    document = answered(reply, 200)
    assert (document["rows"], document["rejected"], document["shards_done"]) == (398, 2, 4)
    assert (document["cost_usd"], document["percent"]) == (0.0015, 100.0)
    assert document["rows_per_second"] == 199.0
    assert "retry-after" not in reply["headers"]
    assert bench.store.reads == 0


def test_why_a_job_failed_is_said(bench: Bench) -> None:
    bench.ended(status="failed", error="row 7: 'x' is not a number")
    document = get(bench)
    assert (document["status"], document["error"]) == ("failed", "row 7: 'x' is not a number")


def test_what_a_schedule_started_names_it(bench: Bench) -> None:
    bench.job(origin="schedule", name="nightly")
    document = get(bench)
    assert (document["origin"], document["schedule"]) == ("schedule", "nightly")


@pytest.mark.parametrize("path", ["j2", "no%2Fid", "é", "x" * 65])
def test_a_job_that_is_not_there_is_a_404(path: str, bench: Bench) -> None:
    assert "does not exist, or is not yours" in refusal(
        ask(bench, "batch_get", f"/batch/jobs/{path}"), 404
    )


@pytest.mark.parametrize(
    ("event", "more"), [("batch_get", ""), ("batch_cancel", ""), ("batch_retry", "/retry")]
)
def test_a_job_out_of_scope_is_a_404_and_is_left_alone(event: str, more: str, bench: Bench) -> None:
    before = bench.running()
    reply = ask(bench, event, f"/batch/jobs/j1{more}", key=OTHER_KEY)
    assert "does not exist, or is not yours" in refusal(reply, 404)
    assert bench.row == before


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ("batch_start", "/batch/models/iris/jobs"),
        ("batch_list", "/batch/jobs"),
        ("batch_get", "/batch/jobs/j1"),
        ("batch_cancel", "/batch/jobs/j1"),
        ("batch_retry", "/batch/jobs/j1/retry"),
    ],
)
@pytest.mark.parametrize("key", [None, "srv_unknown"])
def test_nothing_is_said_without_a_key(
    key: str | None, event: str, path: str, bench: Bench
) -> None:
    before = bench.running()
    refusal(ask(bench, event, path, key=key), 401)
    assert bench.row == before


def test_the_gateways_own_callers_see_everything(bench: Bench) -> None:
    bench.authentication = "gateway"
    bench.job()
    assert get(bench, key=None)["id"] == "j1"
    assert listed(bench, key=None) == ["j1"]


def test_a_list_has_the_newest_of_the_scope_first(bench: Bench) -> None:
    for number, model in enumerate(["iris", "digits", "iris"]):
        created = timestamp(START + timedelta(minutes=number))
        bench.job(f"j{number}", model=model, created=created)
    assert listed(bench) == ["j2", "j1", "j0"]
    assert listed(bench, "limit=2") == ["j2", "j1"]
    assert listed(bench, "model=iris") == ["j2", "j0"]
    assert listed(bench, key=OTHER_KEY) == ["j1"]
    assert listed(bench, "model=digits", key=OTHER_KEY) == ["j1"]


def test_a_list_looks_at_no_shards(bench: Bench) -> None:
    bench.running("j1")
    bench.shard(0, rows=50)
    bench.ended("j2")
    document = answered(ask(bench, "batch_list", "/batch/jobs"), 200)
    assert {job["id"]: job["rows"] for job in document["jobs"]} == {"j1": None, "j2": 398}
    assert bench.store.reads == 0


def test_a_list_of_a_model_out_of_scope_or_unknown_is_refused(bench: Bench) -> None:
    refusal(ask(bench, "batch_list", "/batch/jobs", "model=iris", key=OTHER_KEY), 403)
    refusal(ask(bench, "batch_list", "/batch/jobs", "model=rose"), 404)


@pytest.mark.parametrize("limit", ["0", "101", "many", "-1", "²", "9" * 30])
def test_a_list_has_a_limit(limit: str, bench: Bench) -> None:
    said = refusal(ask(bench, "batch_list", "/batch/jobs", f"limit={limit}"), 400)
    assert "parameter 'limit'" in said
    assert "1 to 100 expected" in said


def test_a_cancelled_job_ends_with_what_was_done(bench: Bench) -> None:
    bench.running()
    bench.shard(0, status="done", rows=99, rejected=1, busy_ms=1000)
    document = answered(ask(bench, "batch_cancel", "/batch/jobs/j1"), 200)
    assert (document["status"], document["rows"], document["shards_done"]) == ("cancelled", 99, 1)
    assert document["finished"] is not None
    assert bench.executions.stopped == ["arn:aws:states:execution"]
    summary = json.loads(bench.objects.body(f"{document['output']}summary.json"))
    assert (summary["status"], summary["rows"]) == ("cancelled", 99)


def test_cancelling_again_changes_nothing(bench: Bench) -> None:
    bench.running()
    first = answered(ask(bench, "batch_cancel", "/batch/jobs/j1"), 200)
    before = bench.row
    assert answered(ask(bench, "batch_cancel", "/batch/jobs/j1"), 200) == first
    assert bench.row == before


def test_a_queued_job_is_cancelled_before_it_begins(bench: Bench) -> None:
    bench.job()
    assert answered(ask(bench, "batch_cancel", "/batch/jobs/j1"), 200)["status"] == "cancelled"
    assert bench.executions.stopped == []
    assert bench.objects.buckets == {}


def test_what_has_ended_is_not_cancelled(bench: Bench) -> None:
    bench.ended()
    assert "it has succeeded" in refusal(ask(bench, "batch_cancel", "/batch/jobs/j1"), 409)


def test_what_goes_on_is_not_retried(bench: Bench) -> None:
    bench.running()
    assert "it is running" in refusal(ask(bench, "batch_retry", "/batch/jobs/j1/retry"), 409)


def test_a_retry_queues_the_job_again(bench: Bench) -> None:
    bench.ended(status="failed", error="a shard failed")
    reply = ask(bench, "batch_retry", "/batch/jobs/j1/retry")
    document = answered(reply, 202)
    assert (document["status"], document["attempt"], document["error"]) == ("queued", 2, None)
    assert reply["headers"]["location"].endswith("/batch/jobs/j1")
    assert bench.executions.started == [("j1-2", "j1")]


def test_a_retry_starts_a_queued_job_whose_execution_was_lost(bench: Bench) -> None:
    bench.job()
    for _ in range(2):
        answered(ask(bench, "batch_retry", "/batch/jobs/j1/retry"), 202)
    assert bench.executions.started == [("j1", "j1")]
    assert bench.row.attempt == 1


def test_another_method_names_those_that_there_are(bench: Bench) -> None:
    given = call("batch_get", "/batch/jobs/j1")
    given["requestContext"]["http"]["method"] = "PUT"
    said = refusal(bench.endpoint.reply(given), 404)
    assert "GET /batch/jobs/j1" in said
    assert "DELETE /batch/jobs/j1" in said


def test_jobs_of_many_shards_are_to_be_looked_at_less_often(bench: Bench) -> None:
    bench.put(replace(bench.running(), shards=10_000))
    assert ask(bench, "batch_get", "/batch/jobs/j1")["headers"]["retry-after"] == "10"


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


def test_a_cancelled_job_is_completed_by_a_retry() -> None:
    stage = BatchStage()
    stage.objects.upload("s3://orders/rows.csv", b"x_0,x_1\n1,2\n3,4\n")
    bench = Bench(store=stage.store, objects=stage.objects)  # type: ignore[arg-type]
    bench.edge.publish("adding", "1", b"", ADDING)
    job_id = answered(start(bench, INPUT, "adding"), 202)["id"]
    stage.before_shard = lambda _: ask(bench, "batch_cancel", f"/batch/jobs/{job_id}")
    assert stage.run({"origin": "api", "job": job_id}, "first").status == "cancelled"
    stage.before_shard = lambda _: None

    retried = answered(ask(bench, "batch_retry", f"/batch/jobs/{job_id}/retry"), 202)
    assert retried["attempt"] == 2
    assert stage.run({"origin": "api", "job": job_id}, "second").status == "succeeded"
    assert get(bench, job_id)["rows"] == 2


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


def test_rows_that_a_retry_answers_again_count_once(bench: Bench) -> None:
    bench.running(attempt=2)
    bench.shard(0, status="done", attempt=1, rows=100, rejected=1, read_bytes=1000)
    bench.shard(1, status="failed", attempt=1, rows=60, rejected=2, read_bytes=600)
    bench.shard(2, status="running", attempt=2, rows=10, rejected=0, read_bytes=100)
    found = json.loads(ask(bench, "batch_get", "/batch/jobs/j1")["body"])
    assert (found["rows"], found["rejected"], found["shards_done"]) == (110, 1, 1)
    assert found["percent"] == pytest.approx(100 * 1100 / found["estimate"]["input_bytes"], abs=0.1)
