"""Batch jobs when a step dies, is repeated or races: the output stays that of a straight loop.

A step may die at any call of a port, before its effect or right after; the state machine then
calls it again.
"""

import json
from typing import Any

import pytest

from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.keys import Address
from serval.batch.job.layout import RangeItem, ShardItem
from tests.fakes.batch import DATA, BatchStage
from tests.fakes.registration import Crash, Crashes

ROW_COUNT = 160
NOTES = [f'a "note"\nof {number}' if number % 3 else "plain" for number in range(ROW_COUNT)]
ROWS = [
    '"' + note.replace('"', '""') + f'",{"x" if number == 17 else number},1\r\n'
    for number, note in enumerate(NOTES)
]
TABLE = ("note,x_0,x_1\r\n" + "".join(ROWS)).encode()
LINES = b"".join(b'{"x": [%d, 1]}\n' % (-9 if n == 17 else n) for n in range(ROW_COUNT))
OPTIONS = {"shard_bytes": 1_000, "max_rejected_percent": 10, "output": {"join": True}}


def stage() -> BatchStage:
    """Give a stage whose shards run short of time at every block."""
    return BatchStage(
        blocks_per_invocation=1, measurements={"rows_per_second": 6, "best_batch_size": 3}
    )


def run(made: BatchStage, name: str = "rows.csv") -> BatchJob:
    body = TABLE if name.endswith(".csv") else LINES
    return made.run(made.upload(name, body, OPTIONS))


def seen(made: BatchStage, job: BatchJob, extension: str) -> tuple[Any, ...]:
    """Give what a user sees of a job, times and the number of pieces apart."""
    return (
        job.status,
        job.rows,
        job.rejected,
        job.shards_done,
        made.output(job, f"output.{extension}"),
        made.output(job, "errors.jsonl"),
        made.summary(job)["reasons"],
    )


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_step_that_dies_anywhere_changes_nothing(name: str, after: bool) -> None:
    straight = stage()
    extension = name.partition(".")[2]
    job = run(straight, name)
    expected = seen(straight, job, extension)
    assert f"parts/00001-1.{extension}" in straight.objects.under(job.output)
    assert (job.rows, job.rejected) == (ROW_COUNT - 1, 1)
    died = set()
    for at, call in enumerate(straight.crashes.calls):
        made = stage()
        made.crashes.at, made.crashes.after = at, after
        job = run(made, name)
        assert seen(made, job, extension) == expected, call
        assert len(made.store.rows) == 1
        died.add(call.split()[0])
    assert died >= {"create", "save", "claim", "put", "record", "close", "join"}


@pytest.mark.parametrize("failing", [0, 1, 3])
def test_a_retry_runs_only_what_was_not_done_and_gives_the_same_bytes(failing: int) -> None:
    straight = stage()
    expected = seen(straight, run(straight), "csv")
    made = stage()
    made.before_shard = lambda index: lose(made, index == failing)
    failed = run(made)
    assert (failed.status, failed.shards_done) == ("failed", failing)
    assert "output.csv" not in made.objects.under(failed.output)

    made.before_shard = lambda index: ran.append(index)
    made.crashes.whenever = None
    ran: list[int] = []
    made.control.retry(failed)
    assert made.executions.started == [(f"{failed.id}-2", failed.id)]
    job = made.run({"origin": "api", "job": failed.id}, owner="second")

    assert seen(made, job, "csv") == expected
    assert ran == list(range(failing, job.shards))
    assert (job.attempt, job.version) == (2, "1")


def lose(made: BatchStage, really: bool) -> None:
    """Let every part die that is written, until the state machine gives up."""
    made.crashes.whenever = "close" if really else None


def test_a_cancel_leaves_what_was_done_and_a_retry_completes_it() -> None:
    straight = stage()
    expected = seen(straight, run(straight), "csv")
    made = stage()

    def cancel(index: int) -> None:
        if index == 2:
            (job_id,) = made.store.rows
            made.control.cancel(made.job(job_id))

    made.before_shard = cancel
    cancelled = run(made)
    assert (cancelled.status, cancelled.shards_done) == ("cancelled", 2)
    summary = made.summary(cancelled)
    assert (summary["status"], summary["shards_done"], summary["output"]) == ("cancelled", 2, None)
    assert summary["rows"] == cancelled.rows > 0
    assert made.executions.stopped == ["execution"]

    made.before_shard = lambda index: None
    made.control.retry(cancelled)
    job = made.run({"origin": "api", "job": cancelled.id}, owner="second")

    assert seen(made, job, "csv") == expected


class Dying:
    """A step whose process dies whenever it is called."""

    def plan(self, job: str) -> dict[str, Any]:
        raise OSError("S3 went away")


def test_a_retry_of_a_job_that_was_never_cut_plans_it() -> None:
    made = stage()
    healthy = made.planning
    made.planning = Dying()  # type: ignore[assignment]
    failed = run(made)
    assert (failed.status, failed.shards) == ("failed", 0)

    made.planning = healthy
    made.control.retry(failed)
    job = made.run({"origin": "api", "job": failed.id}, owner="second")

    assert job.status == "succeeded"


def test_pieces_of_an_attempt_before_do_not_stay_beside_those_of_the_last() -> None:
    made = stage()
    healthy = made.store.record

    def unless_done(record: ShardRecord) -> bool:
        if record.index == 1 and record.done:
            raise OSError("DynamoDB went away")
        return healthy(record)

    made.store.record = unless_done  # type: ignore[method-assign]
    failed = run(made)
    assert failed.status == "failed"
    assert "parts/00001-1.csv" in made.objects.under(failed.output)

    made.store.record = healthy  # type: ignore[method-assign]
    made.blocks_per_invocation = None
    made.control.retry(failed)
    job = made.run({"origin": "api", "job": failed.id}, owner="second")

    assert job.status == "succeeded"
    parts = made.objects.under(f"{job.output}parts/")
    assert [name for name in parts if name.startswith("00001")] == ["00001.csv", "00001.json"]


def test_a_retry_whose_plan_is_gone_is_refused() -> None:
    made = stage()
    made.before_shard = lambda index: lose(made, index == 1)
    failed = run(made)
    made.crashes.whenever = None
    key = f"{failed.output}plan/shards.jsonl".removeprefix(f"s3://{DATA}/")
    made.objects.buckets[DATA][key].append(None)
    made.control.retry(failed)

    job = made.run({"origin": "api", "job": failed.id}, owner="second")

    assert (job.status, job.error) == ("failed", "the plan that it had is gone: start the job anew")


def test_what_a_lost_shard_still_writes_changes_nothing() -> None:
    """A shard that was taken for dead ends after another one has done its work."""
    straight = stage()
    expected = seen(straight, run(straight), "csv")
    made = stage()
    lost: list[ShardItem] = []
    accepted = made.accepting.accept(made.upload("rows.csv", TABLE, OPTIONS), "execution")
    job = accepted["job"]
    for line in made._lines(made.planning.plan(job)["ranges"]):
        made.scanning.scan(RangeItem.from_json(line))
    for line in made._lines(made.cutting.cut(job)["items"]):
        made._child(line)
        lost.append(ShardItem.from_json(line))
    parts = made.job(job).output
    for item in lost:
        key = f"{parts}parts/{item.index:05}.csv".removeprefix(f"s3://{DATA}/")
        made.objects.put(Address(DATA, key), b"half of it")

    assert made.assembly.assemble(job)["outcome"] == "succeeded"
    assert seen(made, made.job(job), "csv") == expected


def test_a_shard_that_two_run_at_once_is_recorded_once() -> None:
    made = stage()
    job = made.accepting.accept(
        made.upload("rows.jsonl", LINES, {**OPTIONS, "shard_bytes": 10_000}), "execution"
    )["job"]
    (line,) = made._lines(made.planning.plan(job)["items"])
    item = ShardItem.from_json(line)
    first = made.work.run(item, None, lambda: 900.0)
    record = made.store.shard(job, 0)
    blank = made.store.shard_rows.pop((job, 0))
    made.work.run(item, None, lambda: 900.0)
    made.store.shard_rows[job, 0] = blank

    assert first == {}
    assert made.store.shard(job, 0) == record
    assert made.assembly.assemble(job)["outcome"] == "succeeded"


def test_one_upload_event_that_comes_often_makes_one_job() -> None:
    made = stage()
    event = made.upload("rows.csv", TABLE, OPTIONS)
    jobs = [made.run(json.loads(json.dumps(event)), owner=f"execution {n}") for n in range(3)]
    assert [job.status for job in jobs] == ["succeeded", "queued", "queued"]
    assert "was started for this before" in (jobs[1].error or "")
    assert len(made.store.rows) == 1


def test_a_process_that_dies_while_it_accepts_leaves_the_job_to_its_own_execution() -> None:
    made = stage()
    event = made.upload("rows.csv", TABLE, OPTIONS)
    made.crashes.at, made.crashes.after = 0, True
    with pytest.raises(Crash):
        made.accepting.accept(event, "first")
    made.crashes.at = None

    assert made.accepting.accept(event, "second")["outcome"] == "ignored"
    assert made.accepting.accept(event, "first")["outcome"] == "accepted"
    assert isinstance(made.crashes, Crashes)
