"""What an API key's batch jobs may read and write: its own models' files, and what is allowed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from serval.http.batch import BatchEndpoint
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
