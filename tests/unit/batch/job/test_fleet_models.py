"""Batch jobs of fleet models: only where a worker waits for their shards, or can be woken."""

from serval.batch.job.fleet_jobs import unreachable_models
from serval.models.deployed_fleets import DeployedFleet, Fleets


def test_a_job_that_nobody_would_run_is_refused_with_the_remedy() -> None:
    fleet = DeployedFleet(name="gpu", kind="sagemaker", minimum=1, models=("textgen",))
    (reason,) = unreachable_models(Fleets({"gpu": fleet})).values()
    assert "takes no shards: declare its model on a spot fleet" in reason


def test_a_fleet_that_sleeps_is_woken_for_shards() -> None:
    fleet = DeployedFleet(name="gpu", models=("textgen",))
    assert unreachable_models(Fleets({"gpu": fleet})) == {}
