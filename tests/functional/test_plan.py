"""The ``plan``, ``scan`` and ``cut`` functions, from an input to a list of shards."""

import json
from typing import Any

import pytest

from serval.batch.job.layout import RangeItem, read_shards
from tests.fakes.batch import DATA, BatchStage
from tests.fakes.handlers import Context, assert_same_members, imported, logged, recorded

JOBS = {"JOBS_TABLE": "jobs"}
CUT = JOBS | {"STAGE": "prod", "REGISTRY_TABLE": "registry", "SHARDS_AT_ONCE": "40"}
PLAN = CUT | {"SHARD_MEMORY_MIB": "1769"}
ROWS = b"x_0,x_1\n" + b"".join(b"%d,1\n" % number for number in range(50))


@pytest.fixture
def stage() -> BatchStage:
    return BatchStage()


def accepted(stage: BatchStage, name: str = "rows.csv", **options: Any) -> str:
    event = stage.upload(name, ROWS, options)
    return str(stage.accepting.accept(event, "execution")["job"])


def event(name: str, job: str) -> dict[str, Any]:
    given = recorded(name)
    assert given.keys() == {"job"}
    return {"job": job}


def test_plan_scan_and_cut_make_shards_of_whole_records(
    stage: BatchStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = accepted(stage, shard_bytes=100)
    plan = imported("plan", PLAN, stage.planning, monkeypatch)
    outcome = plan.handler(event("plan", job), Context())

    output = f"batch/adding/out/{job}/"
    assert outcome == {
        "outcome": "scan",
        "job": job,
        "ranges": {"bucket": DATA, "key": f"{output}plan/ranges.jsonl"},
        "count": 1,
    }
    assert logged(capsys)["outcome"] == outcome
    assert stage.job(job).status == "planning"

    scan = imported("scan", JOBS, stage.scanning, monkeypatch)
    (line,) = stage.objects.body(f"s3://{DATA}/{output}plan/ranges.jsonl").splitlines()
    given = {"range": json.loads(line)}
    assert_same_members(recorded("scan"), given)
    assert scan.handler(given, Context()) == {}

    cut = imported("cut", CUT, stage.cutting, monkeypatch)
    outcome = cut.handler(event("cut", job), Context())

    assert outcome == {
        "outcome": "shards",
        "job": job,
        "model": "adding",
        "fleet": None,
        "items": {"bucket": DATA, "key": f"{output}plan/shards.jsonl"},
        "count": 3,
        "concurrency": 10,
        "tolerated_failed_percent": 0,
    }
    lines = stage.objects.body(f"s3://{DATA}/{output}plan/shards.jsonl")
    items = list(read_shards(lines))
    source = b"".join(ROWS[item.start : item.end] for item in items)
    assert source == ROWS
    assert [item.head for item in items] == [True, False, False]
    assert [item.first for item in items] == [
        0,
        *(ROWS[: i.start].count(b"\n") - 1 for i in items[1:]),
    ]
    assert_same_members(recorded("shard"), {"shard": json.loads(lines.splitlines()[0])})
    row = stage.job(job)
    assert (row.status, row.shards, row.estimated_rows, row.exact_rows) == ("running", 3, 50, True)


def test_a_file_of_one_shard_needs_no_scan(stage: BatchStage) -> None:
    outcome = stage.planning.plan(accepted(stage))
    assert (outcome["outcome"], outcome["count"]) == ("shards", 1)


def test_a_file_without_quoted_newlines_needs_no_scan(stage: BatchStage) -> None:
    job = accepted(stage, shard_bytes=100, csv={"quoted_newlines": "never"})
    outcome = stage.planning.plan(job)
    assert (outcome["outcome"], outcome["count"]) == ("shards", 3)


def test_a_step_that_is_called_again_answers_as_before(stage: BatchStage) -> None:
    job = accepted(stage)
    first = stage.planning.plan(job)
    announced = len(stage.announced)

    assert stage.planning.plan(job) == first
    assert len(stage.announced) == announced


def test_a_header_alone_is_a_job_without_rows(stage: BatchStage) -> None:
    job = stage.run(stage.upload("rows.csv", b"x_0,x_1\n"))

    assert (job.status, job.rows) == ("succeeded", 0)
    assert stage.output(job, "output.csv") == b"total,twice_0,twice_1\n"


def test_a_job_that_is_cancelled_is_not_planned(stage: BatchStage) -> None:
    job = accepted(stage)
    stage.control.cancel(stage.job(job))

    outcome = stage.planning.plan(job)

    assert (outcome["outcome"], outcome["reason"]) == ("cancelled", "the job was cancelled")


def test_a_slow_model_gets_small_shards() -> None:
    stage = BatchStage(measurements={"rows_per_second": 0.05, "best_batch_size": 1})
    job = accepted(stage, csv={"quoted_newlines": "never"})

    outcome = stage.planning.plan(job)

    # 300 s of work are 15 rows of about five bytes.
    assert 3 <= outcome["count"] <= 5


def test_no_job_has_over_ten_thousand_shards() -> None:
    stage = BatchStage(measurements={"rows_per_second": 1e-6, "best_batch_size": 1})
    rows = b"x_0,x_1\n" + b"1,2\n" * 50_000
    event = stage.upload("rows.csv", rows, {"csv": {"quoted_newlines": "never"}})
    job = str(stage.accepting.accept(event, "execution")["job"])

    assert 9_000 < stage.planning.plan(job)["count"] <= 10_000


@pytest.mark.slow
def test_small_files_share_a_shard(stage: BatchStage) -> None:
    for number in range(1_000):
        stage.objects.upload(f"s3://in-bucket/p/{number:04}.csv", b"x_0,x_1\n1,2\n3,4\n")
    job = stage.run(
        {
            "origin": "schedule",
            "model": "adding",
            "time": "2026-11-21T03:00:00Z",
            "input": "s3://in-bucket/p/",
            "options": {"shard_bytes": 800},
        }
    )
    assert (job.status, job.files, job.rows, job.shards) == ("succeeded", 1_000, 2_000, 20)


def test_what_the_steps_hand_on_stays_small() -> None:
    stage = BatchStage(measurements={"rows_per_second": 1e-6, "best_batch_size": 1})
    rows = b"x_0,x_1\n" + b"1,2\n" * 20_000
    event = stage.upload("rows.csv", rows, {"shard_bytes": 8})
    job = str(stage.accepting.accept(event, "execution")["job"])

    outcome = stage.planning.plan(job)
    for line in stage._lines(outcome["ranges"]):
        stage.scanning.scan(RangeItem.from_json(line))
    outcome = stage.cutting.cut(job)

    assert outcome["count"] > 8_000
    assert len(json.dumps(outcome)) < 1_000
    assert max(map(len, map(json.dumps, stage._lines(outcome["items"])))) < 1_000
