"""What a job would take, told without starting it."""

import gzip

import pytest

from serval.batch.plan.draft import check_batches
from serval.batch.start.job_request import JobRequest
from serval.errors import BatchRefused, ModelVersionNotFound
from serval.models.signature import Signature, TensorSpec
from tests.fakes.batch import DATA, BatchStage

ROWS = b"x_0,x_1\n" + b"".join(b"%d,1\n" % number for number in range(5_000))


def asked(address: str = f"s3://{DATA}/rows.csv", **options: object) -> JobRequest:
    return JobRequest.from_json("adding", {"input": address, "options": options})


def test_a_dry_run_says_what_a_job_would_take_and_starts_nothing() -> None:
    stage = BatchStage(measurements={"rows_per_second": 10, "best_batch_size": 8})
    stage.objects.upload(f"s3://{DATA}/rows.csv", ROWS)
    before = stage.objects.under(f"s3://{DATA}/")

    seen = stage.planning.preview(asked(concurrency=2), "1")

    assert (seen.files, seen.input_bytes) == (1, len(ROWS))
    assert seen.rows == pytest.approx(5_000, rel=0.05)
    assert seen.shards == 2
    assert seen.seconds == pytest.approx(4 + 1 + 250, rel=0.1)
    assert seen.microdollars > 0
    assert stage.objects.under(f"s3://{DATA}/") == before
    assert not stage.store.rows


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.csv.gz"])
def test_a_dry_run_counts_the_shards_of_the_job_that_follows(name: str) -> None:
    stage = BatchStage(measurements={"rows_per_second": 10, "best_batch_size": 8})
    lines = b"".join(b'{"x": [%d, 1]}\n' % number for number in range(5_000))
    body = {"csv": ROWS, "jsonl": lines, "gz": gzip.compress(ROWS)}[name.rpartition(".")[2]]
    job = stage.run(stage.upload(name, body, {"shard_bytes": 9_000}))

    seen = stage.planning.preview(asked(job.input[0], shard_bytes=9_000), "1")

    assert job.status == "succeeded"
    assert seen.shards == pytest.approx(job.shards, abs=1)
    assert seen.rows == pytest.approx(job.rows, rel=0.3)


def test_the_estimate_learns_from_the_job_before() -> None:
    stage = BatchStage(measurements={"rows_per_second": 1e6, "best_batch_size": 8})
    stage.ticker.step = 0.5
    first = stage.run(stage.upload("rows.csv", ROWS))
    second = stage.run(stage.upload("rows.csv", ROWS))

    assert first.estimated_microdollars != first.microdollars
    assert second.estimated_microdollars == pytest.approx(second.microdollars, rel=0.2)


def test_a_dry_run_refuses_what_the_job_would() -> None:
    stage = BatchStage()
    with pytest.raises(BatchRefused, match="does not exist"):
        stage.planning.preview(asked(), "1")
    stage.objects.upload(f"s3://{DATA}/rows.csv", b"a\n1\n")
    with pytest.raises(BatchRefused, match="is the delimiter right"):
        stage.planning.preview(asked(), "1")
    with pytest.raises(ModelVersionNotFound):
        stage.planning.preview(asked(), "9")


@pytest.mark.parametrize(("fleets", "at_once"), [({}, 4), ({"adding": "gpu"}, 20)])
def test_a_job_on_lambda_runs_no_more_shards_at_once_than_its_account_has_room_for(
    fleets: dict[str, str], at_once: int
) -> None:
    stage = BatchStage(shards_at_once=4, fleets=fleets)
    job_id = stage.accepting.accept(
        stage.upload("rows.jsonl", b'{"x": [1, 1]}\n' * 9, {"concurrency": 20}), "execution"
    )["job"]

    planned = stage.planning.plan(job_id)

    assert planned["concurrency"] == at_once


def test_an_estimate_knows_how_many_shards_run_at_once() -> None:
    seconds = []
    for at_once in (1, 8):
        stage = BatchStage(
            measurements={"rows_per_second": 10, "best_batch_size": 8}, shards_at_once=at_once
        )
        stage.objects.upload(f"s3://{DATA}/rows.csv", ROWS)
        seconds.append(stage.planning.preview(asked(concurrency=8), "1").seconds)
    assert seconds[0] > 1.5 * seconds[1]


@pytest.mark.parametrize("shape", [(), (2,), (2, -1)])
def test_a_model_whose_first_extent_is_no_row_is_refused(shape: tuple[int, ...]) -> None:
    row = TensorSpec("y", "FP32", (-1,))
    with pytest.raises(BatchRefused, match=r"input 'x' has shape .* whose first extent is the row"):
        check_batches(Signature((TensorSpec("x", "FP32", shape),), (row,)))
