"""What batch jobs ask of fleets, from the moment that their shards may run to their end."""

from serval.batch.job.fleet_jobs import FleetJobs, fleet_job_name
from serval.batch.job.job import BatchJob
from serval.batch.job.layout import RangeItem, ShardItem
from serval.fleets.scale.observation import JobShards
from tests.fakes.batch import BatchStage

LINES = b"".join(b'{"x": [%d, 1]}\n' % number for number in range(600))
CSV = b"x_0,x_1\n" + b"".join(b"%d,1\n" % number for number in range(600))
OPTIONS = {"shard_bytes": 3_000, "concurrency": 3}


def running(name: str = "rows.jsonl", body: bytes = LINES) -> tuple[BatchStage, BatchJob]:
    """Give a stage whose fleet has been asked to work on a job."""
    stage = BatchStage(fleets={"adding": "gpu"})
    job_id = stage.accepting.accept(stage.upload(name, body, OPTIONS), "execution")["job"]
    planned = stage.planning.plan(job_id)
    if planned["outcome"] == "scan":
        for line in stage._lines(planned["ranges"]):
            stage.scanning.scan(RangeItem.from_json(line))
        planned = stage.cutting.cut(job_id)
    assert planned["fleet"] == "gpu"
    return stage, stage.job(job_id)


def test_a_fleet_is_asked_to_work_on_a_job_once_its_shards_may_run() -> None:
    stage, job = running()
    assert stage.taken_on == [("gpu", f"{job.id}:1")]
    assert FleetJobs(stage.store).find_shards(fleet_job_name(job)) == JobShards(
        "adding", job.shards, 3
    )


def test_a_job_that_had_to_be_cut_asks_too() -> None:
    stage, job = running("rows.csv", CSV)
    assert stage.taken_on == [("gpu", f"{job.id}:1")]


def test_a_step_that_is_called_again_asks_again_in_case_the_first_time_was_lost() -> None:
    stage, job = running()
    stage.planning.plan(job.id)
    assert stage.taken_on == [("gpu", f"{job.id}:1")] * 2


def test_what_is_done_is_not_asked_for() -> None:
    stage, job = running()
    first = next(iter(stage._lines(stage.planning.plan(job.id)["items"])))
    assert stage.work.run(ShardItem.from_json(first), None, lambda: 900.0) == {}
    assert FleetJobs(stage.store).find_shards(fleet_job_name(job)) == JobShards(
        "adding", job.shards - 1, 3
    )


def test_a_job_that_is_cancelled_asks_nothing_and_its_retry_asks_anew() -> None:
    stage, job = running()
    stage.control.cancel(job)
    assert FleetJobs(stage.store).find_shards(fleet_job_name(job)) is None
    stage.finish_job.finish({"job": job.id, "reason": "cancelled"})
    stage.control.retry(stage.job(job.id))
    stage.planning.plan(job.id)
    again = stage.job(job.id)
    assert stage.taken_on[-1] == ("gpu", f"{job.id}:2")
    assert FleetJobs(stage.store).find_shards(fleet_job_name(job)) is None
    assert FleetJobs(stage.store).find_shards(fleet_job_name(again)) == JobShards(
        "adding", job.shards, 3
    )


def test_a_job_that_is_gone_asks_nothing() -> None:
    assert FleetJobs(BatchStage().store).find_shards("gone:1") is None


def test_a_job_of_a_light_model_asks_no_fleet() -> None:
    stage = BatchStage()
    stage.run(stage.upload("rows.jsonl", LINES, OPTIONS))
    assert stage.taken_on == []
