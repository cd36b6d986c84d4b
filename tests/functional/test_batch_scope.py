"""What an API key's batch jobs may read and write: its own models' files, and what is allowed."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from serval.http.batch import BatchEndpoint
from tests.fakes.batch import ADDING, BatchStage
from tests.fakes.batch_api import DATA_BUCKET, KEY, Bench
from tests.fakes.submission import answered, call, refusal

IRIS_ONLY, BOTH = "srv_of-iris-alone", "srv_of-both"
IN = f"s3://{DATA_BUCKET}/batch"
OWN = f"{IN}/iris/rows.csv"


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.grant(IRIS_ONLY, "iris")
    bench.grant(BOTH, "iris", "digits")
    return bench


def ask(
    endpoint: BatchEndpoint, key: str, body: Any, *, dry_run: bool = False, **more: Any
) -> dict[str, Any]:
    given = call("batch_start", "/batch/models/iris/jobs", body, key=key, **more)
    del given["headers"]["idempotency-key"]
    if dry_run:
        given["queryStringParameters"] = {"dry_run": "true"}
    return endpoint.reply(given)


OUT_OF_SCOPE = [
    {"input": f"{IN}/digits/rows.csv"},
    {"input": f"{IN}/", "output": "s3://out/iris/"},
    {"input": f"{IN}/iris"},
    {"input": f"{IN}/iris-2/rows.csv"},
    {"input": f"s3://{DATA_BUCKET}/async/iris/1.json"},
    {"input": f"s3://{DATA_BUCKET}/", "output": "s3://out/iris/"},
    {"input": "s3://elsewhere/batch/iris/rows.csv"},
    {"input": [OWN, f"{IN}/digits/rows.csv"]},
    {"input": OWN, "output": f"{IN}/digits/answers/"},
    {"input": OWN, "output": f"{IN}/{{job}}/"},
    {"input": OWN, "output": "s3://out/digits/"},
    {"input": OWN, "options": {"output": {"prefix": f"{IN}/digits/answers"}}},
]


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("body", OUT_OF_SCOPE, ids=json.dumps)
def test_a_scoped_key_has_nothing_read_or_written_outside_of_its_models(
    bench: Bench, body: dict[str, Any], dry_run: bool
) -> None:
    said = refusal(ask(bench.endpoint, IRIS_ONLY, body, dry_run=dry_run), 403)
    assert f"read and write only under {IN}/iris/" in said
    assert (bench.previewed, bench.store.rows, bench.executions.started) == ([], {}, [])


@pytest.mark.parametrize("part", [".", ".."])
def test_an_address_that_a_client_may_resolve_to_another_is_refused(
    bench: Bench, part: str
) -> None:
    body = {"input": f"{IN}/iris/{part}/digits/rows.csv"}
    assert "without '.' and '..' parts" in refusal(ask(bench.endpoint, KEY, body), 400)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (IRIS_ONLY, {"input": OWN}),
        (IRIS_ONLY, {"input": f"{IN}/iris/", "output": "s3://out/iris/{job}/"}),
        (IRIS_ONLY, {"input": OWN, "output": f"{IN}/{{model}}/answers/{{date}}"}),
        (IRIS_ONLY, {"input": "s3://orders/rows.csv"}),
        (BOTH, {"input": f"{IN}/digits/rows.csv"}),
        (KEY, {"input": f"{IN}/another/rows.csv", "output": f"{IN}/digits/answers/"}),
    ],
)
def test_a_key_has_read_and_written_what_is_its_models_or_allowed(
    bench: Bench, key: str, body: dict[str, Any]
) -> None:
    answered(ask(bench.endpoint, key, body, dry_run=True), 200)
    answered(ask(bench.endpoint, key, body), 202)


@pytest.mark.parametrize("body", [{"input": f"s3://{DATA_BUCKET}/async/iris/1.json"}])
def test_a_key_of_all_models_is_held_to_the_files_of_batch_jobs(
    bench: Bench, body: dict[str, Any]
) -> None:
    refusal(ask(bench.endpoint, KEY, body), 403)
    bench.authentication = "gateway"
    refusal(ask(bench.endpoint, KEY, body), 403)


RESULTS = ["summary.json", "output.csv", "errors.jsonl"]


@pytest.fixture
def stage() -> BatchStage:
    """Give a stage on which a job of model ``adding`` has rejected one record of three."""
    stage = BatchStage()
    stage.objects.upload("s3://orders/rows.csv", b"x_0,x_1\n1,2\n3,4\nfive,6\n")
    return stage


def ended(stage: BatchStage, bench: Bench, **options: Any) -> str:
    given = call(
        "batch_start",
        "/batch/models/adding/jobs",
        {"input": "s3://orders/rows.csv", "options": {"max_rejected_percent": 50, **options}},
    )
    del given["headers"]["idempotency-key"]
    job_id = str(answered(bench.endpoint.reply(given), 202)["id"])
    stage.run({"origin": "api", "job": job_id}, job_id)
    return job_id


def on(stage: BatchStage) -> Bench:
    bench = Bench(store=stage.store, objects=stage.objects)  # type: ignore[arg-type]
    bench.edge.publish("adding", "1", b"", ADDING)
    return bench


def seen(bench: Bench, job_id: str, key: str = KEY) -> dict[str, Any]:
    reply = bench.endpoint.reply(call("batch_get", f"/batch/jobs/{job_id}", key=key))
    return answered(reply, 200)


def test_a_job_that_has_ended_has_urls_of_its_results(stage: BatchStage) -> None:
    bench = on(stage)
    job_id = ended(stage, bench)
    results = seen(bench, job_id)["results"]
    prefix = f"batch/adding/out/{job_id}/"
    assert results == [{"name": name, "url": f"https://signed/{prefix}{name}"} for name in RESULTS]
    bench.grant("srv_adding", "adding")
    assert seen(bench, job_id, "srv_adding")["results"] == results


def test_results_are_the_parts_where_these_are_the_output(stage: BatchStage) -> None:
    bench = on(stage)
    job_id = ended(stage, bench, output={"partitioned": True})
    names = [result["name"] for result in seen(bench, job_id)["results"]]
    assert names == ["summary.json", "parts/00000.csv", "errors.jsonl"]


def test_results_are_the_outputs_of_each_file_where_the_job_wanted_these(stage: BatchStage) -> None:
    bench = on(stage)
    job_id = ended(stage, bench, output={"per_input": True})
    names = [result["name"] for result in seen(bench, job_id)["results"]]
    assert names == ["summary.json", "by-input/rows.csv", "errors.jsonl"]


def test_results_that_another_job_has_replaced_are_not_those_of_the_first(
    stage: BatchStage,
) -> None:
    bench = on(stage)
    output = {"prefix": f"s3://{DATA_BUCKET}/batch/adding/answers/"}
    first, second = ended(stage, bench, output=output), ended(stage, bench, output=output)
    assert seen(bench, first)["results"] == []
    assert [result["name"] for result in seen(bench, second)["results"]] == RESULTS


@pytest.mark.parametrize(
    "summary", [b"", b"{", b"[1]", b'{"job": "%s", "output": "s3://serval-prod-data/async/1.json"}']
)
def test_a_summary_that_was_written_over_names_nothing_else(
    stage: BatchStage, summary: bytes
) -> None:
    bench = on(stage)
    job_id = ended(stage, bench)
    place = f"s3://{DATA_BUCKET}/batch/adding/out/{job_id}/summary.json"
    stage.objects.upload(place, summary.replace(b"%s", job_id.encode()))
    names = [result["name"] for result in seen(bench, job_id)["results"]]
    assert names in ([], ["summary.json"])


def test_results_are_only_for_who_may_read_the_input(stage: BatchStage) -> None:
    bench = on(stage)
    job_id = ended(stage, bench)
    bench.grant("srv_adding", "adding")
    bench.put(replace(bench.row, input=(f"{IN}/digits/rows.csv",)))
    assert "results" not in seen(bench, job_id, "srv_adding")
    assert len(seen(bench, job_id)["results"]) == len(RESULTS)


def test_what_a_schedule_writes_elsewhere_has_no_urls(bench: Bench) -> None:
    bench.ended(origin="schedule", output="s3://elsewhere/answers/")
    assert "results" not in seen(bench, "j1")


LOOKS: list[Callable[[Bench, str], str]] = [
    lambda bench, key: _asked(bench, "batch_get", "/batch/jobs/j1", key),
    lambda bench, key: _asked(bench, "batch_list", "/batch/jobs", key),
]


@pytest.mark.parametrize("look", LOOKS, ids=["get", "list"])
def test_why_a_job_failed_is_shown_only_to_who_may_read_its_input(
    bench: Bench, look: Callable[[Bench, str], str]
) -> None:
    bench.ended(
        status="failed",
        error="column 'x': 'SECRET' is no FP32",
        input=(f"{IN}/digits/rows.csv",),
    )
    assert "SECRET" in look(bench, KEY)
    assert "SECRET" in look(bench, BOTH)
    assert "SECRET" not in look(bench, IRIS_ONLY)
    assert "may not read the job's input" in look(bench, IRIS_ONLY)


def _asked(bench: Bench, event: str, path: str, key: str) -> str:
    return json.dumps(answered(bench.endpoint.reply(call(event, path, key=key)), 200))
