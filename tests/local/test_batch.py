"""Batch jobs over a whole stage: what starts them, what they make of many rows, their ends."""

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from serval.bundles.schedules import batch_input
from serval.clock import timestamp, utc_now
from tests.local.batch_caller import COLUMNS, BatchCaller, Rows, rate
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import Caller, until
from tests.stateful.extent import TIMES

MANY, FEW = 1_000_000 if TIMES > 1 else 150_000, 300
"""A soak has a million rows."""
JSONL_ROWS = 100_000 if TIMES > 1 else 40_000
SHARD_BYTES = 2 * MANY
"""Some twenty shards, whichever it is."""
JOIN = {"join": True}
RUN = secrets.token_hex(4)
"""Of these tests, on a stage that may have seen others."""
FLEET_ROWS, FLEET_SHARDS = 12_000 if TIMES > 1 else 4_000, 8


@pytest.fixture(scope="module")
def batch(stage: LocalStage, published_models: None) -> Iterator[BatchCaller]:
    headers = {"x-api-key": stage.api_key}
    with httpx.Client(base_url=stage.api_url, headers=headers, timeout=300) as client:
        yield BatchCaller(stage, client)


@pytest.fixture(scope="module")
def few() -> Rows:
    return Rows(FEW)


@pytest.fixture(scope="module")
def many() -> Rows:
    return Rows(MANY)


@pytest.fixture(scope="module")
def large(batch: BatchCaller, many: Rows) -> str:
    return batch.put(f"batch/iris/{RUN}/many.csv", many.csv())


@pytest.fixture(scope="module")
def expected(many: Rows) -> bytes:
    return many.answered_csv()


def upload(batch: BatchCaller, name: str, body: bytes) -> str:
    """Upload an input as a user does: how it is read first, and then the file."""
    options = {**COLUMNS, "output": JOIN}
    batch.put(f"batch/iris/in/{RUN}/{name}.options.json", json.dumps(options).encode())
    return batch.put(f"batch/iris/in/{RUN}/{name}", body)


def started(batch: BatchCaller, address: str) -> str:
    """Wait for the job that an upload starts."""
    (job,) = until(f"a job of {address}", lambda: batch.jobs_of("iris", address))
    return str(job["id"])


def test_an_upload_a_call_the_command_line_and_the_clock_start_the_same_job(
    batch: BatchCaller, few: Rows, tmp_path: Path
) -> None:
    uploaded = upload(batch, "origins/rows.csv", few.csv())
    address = batch.put(f"batch/iris/{RUN}/few.csv", few.csv())
    options = {**COLUMNS, "output": JOIN}
    called = batch.start("iris", address, **options)
    (tmp_path / "options.json").write_text(json.dumps(options))
    typed = json.loads(
        batch.stage.serval(
            *("batch", "run", "iris", address, "--options", str(tmp_path / "options.json")),
            *("--api-key", batch.stage.api_key, "--json"),
        )
    )["id"]
    prefix = f"s3://{batch.stage.data_bucket}/batch/iris/{RUN}/nightly/{{date}}/"
    target = batch_input("iris", f"nightly-{RUN}", source=address, output=prefix, options=options)
    batch.execute(target | {"time": "2026-11-21T03:00:00Z"})
    (clock,) = [job for job in batch.jobs_of("iris", address) if job["origin"] == "schedule"]
    jobs = [batch.succeeded(job) for job in (started(batch, uploaded), called, typed, clock["id"])]
    assert [job["origin"] for job in jobs] == ["upload", "api", "api", "schedule"]
    assert jobs[3]["schedule"] == f"nightly-{RUN}"
    assert jobs[3]["output"].endswith("/nightly/2026-11-21/")
    for job in jobs:
        assert (job["rows"], job["rejected"], job["version"]) == (FEW, 0, "1")
        assert batch.output(job) == few.answered_csv()
        assert batch.summary(job)["rows"] == FEW


def test_the_same_event_twice_starts_one_job(batch: BatchCaller, few: Rows) -> None:
    address = upload(batch, "twice/rows.csv", few.csv())
    job = started(batch, address)
    batch.succeeded(job)
    key = address.split("/", 3)[3]
    place = {"bucket": {"name": batch.stage.data_bucket}, "object": {"key": key}}
    again = batch.execute({"source": "aws.s3", "detail-type": "Object Created", "detail": place})
    assert again["outcome"] == "ignored"
    assert [each["id"] for each in batch.jobs_of("iris", address)] == [job]


def test_the_same_time_of_a_schedule_starts_one_job(batch: BatchCaller, few: Rows) -> None:
    address = batch.put(f"batch/iris/{RUN}/clock.csv", few.csv())
    prefix = f"s3://{batch.stage.data_bucket}/batch/iris/{RUN}/clock/"
    target = batch_input("iris", f"clock-{RUN}", source=address, output=prefix, options=COLUMNS)
    for _ in range(2):
        batch.execute(target | {"time": "2026-11-22T03:00:00Z"})
    (job,) = batch.jobs_of("iris", address)
    assert job["status"] == "succeeded"


def test_an_upload_that_cannot_be_read_fails_with_its_reason(batch: BatchCaller) -> None:
    address = batch.put(f"batch/iris/in/{RUN}/bad/rows.csv", b"")
    job = batch.ended(started(batch, address))
    assert job["status"] == "failed"
    assert "empty" in job["error"]


def test_a_job_that_rejects_too_much_stops_with_the_reason(batch: BatchCaller) -> None:
    rows = b"\n".join([b"a,b,c,d", *[b"5.1,3.5,1.4,0.2"] * 20, b"5.1,3.5,1.4,?"])
    address = batch.put(f"batch/iris/{RUN}/rejected.csv", rows)
    job = batch.ended(batch.start("iris", address, positional=True))
    assert job["status"] == "failed"
    assert "shard 0 alone rejected 1 records, more than 1 % of" in job["error"]
    assert "'?' is no FP32" in job["error"]


def test_many_rows_of_csv_are_answered_once_and_in_order(
    batch: BatchCaller, large: str, expected: bytes
) -> None:
    began = time.monotonic()
    job = batch.succeeded(
        batch.start("iris", large, shard_bytes=SHARD_BYTES, output=JOIN, **COLUMNS)
    )
    print(f"\ncsv: {rate(job, began)}")
    assert (job["rows"], job["rejected"]) == (MANY, 0)
    assert job["shards"] >= 16
    assert batch.output(job) == expected


def test_rows_of_jsonl_are_answered_at_an_estimated_cost(batch: BatchCaller) -> None:
    """How near the estimate comes is timed, and so for ``make bench``."""
    lines = Rows(JSONL_ROWS)
    address = batch.put(f"batch/iris/{RUN}/many.jsonl", lines.jsonl())
    began = time.monotonic()
    job = batch.succeeded(batch.start("iris", address, shard_bytes=2 * JSONL_ROWS))
    print(f"\njsonl: {rate(job, began)}")
    assert (job["rows"], job["rejected"]) == (JSONL_ROWS, 0)
    assert job["shards"] >= 16
    assert batch.output(job, "output.jsonl") == lines.answered_jsonl()
    assert job["estimate"]["cost_usd"] > 0
    assert job["cost_usd"] > 0


def test_shards_that_are_killed_midway_change_nothing(
    batch: BatchCaller, large: str, expected: bytes
) -> None:
    job = batch.start("iris", large, shard_bytes=SHARD_BYTES, output=JOIN, **COLUMNS)
    killed = 0
    for done in (1, 6, 12):
        until(f"{done} shards", lambda done=done: progress(batch, job) >= done)
        killed += batch.kill("shard")
    ended = batch.succeeded(job)
    print(f"\n{killed} processes of shards killed")
    assert killed >= 3
    assert batch.output(ended) == expected


def test_a_cancelled_job_stops_soon_says_what_it_did_and_is_completed_by_a_retry(
    batch: BatchCaller, large: str, expected: bytes
) -> None:
    options: dict[str, Any] = {"shard_bytes": SHARD_BYTES, "output": JOIN, "concurrency": 2}
    job = batch.start("iris", large, **options, **COLUMNS)
    until("two shards", lambda: progress(batch, job) >= 2)
    began = time.monotonic()
    reply = batch.client.delete(f"/batch/jobs/{job}")
    assert reply.status_code == 200, reply.text
    ended = batch.ended(job)
    until("silence", lambda: not running(batch))
    took = time.monotonic() - began
    assert ended["status"] == "cancelled"
    summary = batch.summary(ended)
    assert summary["status"] == "cancelled"
    assert 0 < ended["rows"] == summary["rows"] < MANY, "it stopped before its end"
    print(f"\ncancelled within {took:.1f} s, {ended['shards_done']} of {ended['shards']} done")
    retried = batch.client.post(f"/batch/jobs/{job}/retry")
    assert retried.status_code == 202, retried.text
    again = batch.succeeded(job)
    assert (again["attempt"], again["rows"]) == (2, MANY)
    assert batch.output(again) == expected


def progress(batch: BatchCaller, job: str) -> int:
    found = batch.job(job)
    assert found["status"] not in {"failed", "cancelled"}, found
    return int(found["shards_done"] or 0)


def running(batch: BatchCaller) -> list[Any]:
    found: list[Any] = batch.states.list_executions(
        stateMachineArn=batch.machine, statusFilter="RUNNING"
    )["executions"]
    return found


def test_a_job_of_a_fleet_model_survives_the_death_of_its_workers(
    batch: BatchCaller, caller: Caller
) -> None:
    """Each shard is a message with a task token; a worker that dies lets it be seen again."""
    caller.ready("pair", workers=2)
    pairs = [(number % 251, number % 241) for number in range(FLEET_ROWS)]
    lines = "".join(f'{{"x": [{a}, {b}]}}\n' for a, b in pairs)
    address = batch.put(f"batch/heavier/{RUN}/pairs.jsonl", lines.encode())
    began = time.monotonic()
    job = batch.start("heavier", address, shard_bytes=len(lines) // FLEET_SHARDS + 1)
    until("a shard", lambda: progress(batch, job) >= 1)
    victims = [one["pid"] for one in caller.workers("pair")]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    ended = batch.succeeded(job)
    print(f"\nfleet: {rate(ended, began)}; {len(victims)} workers killed")
    assert (ended["rows"], ended["rejected"]) == (FLEET_ROWS, 0)
    assert ended["shards"] >= FLEET_SHARDS
    answers = [json.loads(line)["y"] for line in batch.output(ended, "output.jsonl").splitlines()]
    assert answers == [[3 * a, 3 * b] for a, b in pairs]
    runners = {record.runner for record in caller.jobs.shards(job)}
    assert len(runners) > 1, "every worker gets its share"
    assert caller.waiting_shards("pair") == 0
    assert 0 < batch.summary(ended)["cost"]["machines_usd"] < ended["cost_usd"]


def test_a_job_wakes_its_fleet_which_goes_to_sleep_again_after_it(
    batch: BatchCaller, caller: Caller
) -> None:
    """What ticks once a minute is called here when there is something for it to see."""
    caller.set_machines("sleepy", 0)
    until("nobody works", lambda: not caller.workers("sleepy"))
    pairs = [(number % 251, number % 241) for number in range(FEW)]
    lines = "".join(f'{{"x": [{a}, {b}]}}\n' for a, b in pairs)
    address = batch.put(f"batch/drowsy/{RUN}/pairs.jsonl", lines.encode())
    job = batch.start("drowsy", address, shard_bytes=len(lines) // 3 + 1)
    until("the fleet is asked", lambda: caller.state("sleepy").jobs == (f"{job}:1",))
    told = {fleet["fleet"]: fleet for fleet in caller.invoke("tick")["fleets"]}
    assert told["sleepy"]["machines"] >= 1
    assert "shards of batch jobs" in told["sleepy"]["reason"]
    ended = batch.succeeded(job)
    answers = [json.loads(line)["y"] for line in batch.output(ended, "output.jsonl").splitlines()]
    assert answers == [[4 * a, 4 * b] for a, b in pairs]
    caller.invoke("tick")
    assert caller.state("sleepy").jobs == ()

    def asleep() -> bool:
        """Have it idle for long and look; the stage's own tick may come between the two."""
        caller.change("sleepy", idle_since=timestamp(utc_now() - timedelta(hours=1)))
        caller.invoke("tick")
        return caller.state("sleepy").machines == 0

    until("the fleet sleeps", asleep)
