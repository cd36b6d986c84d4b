"""Jobs of the batch API that are there: looked at, listed, cancelled and retried."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serval.clock import timestamp
from tests.fakes.batch import ADDING, BatchStage
from tests.fakes.batch_api import INPUT, OTHER_KEY, Bench, ask, for_two_callers, get, start
from tests.fakes.requests import START
from tests.fakes.submission import answered, call, refusal


@pytest.fixture
def bench() -> Bench:
    return for_two_callers()


def listed(bench: Bench, query: str = "", **more: Any) -> list[str]:
    document = answered(ask(bench, "batch_list", "/batch/jobs", query, **more), 200)
    return [job["id"] for job in document["jobs"]]


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


def test_the_steps_of_a_pipeline_are_told_with_every_version_that_they_asked(
    bench: Bench,
) -> None:
    bench.running()
    assert "step_versions" not in get(bench), "of other models"
    bench.shard(0, status="done", rows=99, step_versions=(("tags", "9"),))
    bench.shard(1, status="running", rows=50, step_versions=(("tags", "10"),))
    assert get(bench)["step_versions"] == {"tags": ["9", "10"]}


def test_a_job_that_has_ended_tells_what_the_steps_asked(bench: Bench) -> None:
    bench.ended(step_versions=(("tags", "9"), ("tags", "10"), ("words", "1")))
    assert get(bench)["step_versions"] == {"tags": ["9", "10"], "words": ["1"]}


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


def test_rows_that_a_retry_answers_again_count_once(bench: Bench) -> None:
    bench.running(attempt=2)
    bench.shard(0, status="done", attempt=1, rows=100, rejected=1, read_bytes=1000)
    bench.shard(1, status="failed", attempt=1, rows=60, rejected=2, read_bytes=600)
    bench.shard(2, status="running", attempt=2, rows=10, rejected=0, read_bytes=100)
    found = json.loads(ask(bench, "batch_get", "/batch/jobs/j1")["body"])
    assert (found["rows"], found["rejected"], found["shards_done"]) == (110, 1, 1)
    assert found["percent"] == pytest.approx(100 * 1100 / found["estimate"]["input_bytes"], abs=0.1)
