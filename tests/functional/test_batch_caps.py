"""How much of the stage one API key may take with batch jobs."""

from typing import Any

import pytest

from tests.fakes.batch_api import KEY, Bench
from tests.fakes.submission import answered, call, refusal

OTHER = "srv_another"
INPUT = {"input": "s3://orders/rows.csv"}


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.grant(OTHER)
    return bench


def start(bench: Bench, body: Any = INPUT, key: str = KEY, **more: Any) -> dict[str, Any]:
    given = call("batch_start", "/batch/models/iris/jobs", body, key=key)
    given["headers"].pop("idempotency-key")
    given["headers"] |= more.pop("headers", {})
    return bench.endpoint.reply(given | more)


def retry(bench: Bench, job_id: str) -> dict[str, Any]:
    return bench.endpoint.reply(call("batch_retry", f"/batch/jobs/{job_id}/retry"))


def test_starts_dry_runs_and_retries_count_against_a_keys_rate(bench: Bench) -> None:
    bench.per_minute = 3
    bench.ended(status="failed")
    answered(start(bench), 202)
    answered(start(bench, queryStringParameters={"dry_run": "true"}), 200)
    answered(retry(bench, "j1"), 202)

    before = len(bench.executions.started)
    for reply in (start(bench), start(bench, body="{"), retry(bench, "j1")):
        assert "a minute and has: try again in" in refusal(reply, 429)
        assert int(reply["headers"]["retry-after"]) > 0
    assert (len(bench.executions.started), len(bench.previewed)) == (before, 1)
    answered(start(bench, key=OTHER), 202)


def test_a_key_has_only_so_many_jobs_of_a_model_open(bench: Bench) -> None:
    bench.open_jobs = 2
    first = answered(start(bench, headers={"idempotency-key": "order-1"}), 202)
    answered(start(bench), 202)
    bench.ended("j1", status="failed")

    for reply in (start(bench), retry(bench, "j1")):
        said = refusal(reply, 429)
        assert "the API key has 2 open batch jobs of model 'iris', as many as it may" in said
        assert reply["headers"]["retry-after"] == "60"

    again = answered(start(bench, headers={"idempotency-key": "order-1"}), 202)
    assert again["id"] == first["id"]
    answered(start(bench, key=OTHER), 202)
    bench.ended(first["id"])
    answered(start(bench), 202)


def test_callers_of_the_gateway_have_its_limits_alone(bench: Bench) -> None:
    bench.authentication, bench.per_minute, bench.open_jobs = "gateway", 1, 1
    for _ in range(3):
        answered(start(bench), 202)


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_caller_cuts_no_finer_than_the_stage_allows(bench: Bench, dry_run: str) -> None:
    body = INPUT | {"options": {"concurrency": 1000, "shard_bytes": 1}}
    said = refusal(start(bench, body, queryStringParameters={"dry_run": dry_run}), 400)
    assert "shard_bytes: 1 given, at least 1000 expected" in said
    assert bench.store.rows == {}
