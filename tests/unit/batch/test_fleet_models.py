"""Batch jobs of fleet models: only where a worker waits for their shards."""

import pytest

from serval.batch.fleet_models import out_of_reach
from serval.fleets.deployed import DeployedFleet, Fleets


@pytest.mark.parametrize(
    ("fleet", "reason"),
    [
        (
            DeployedFleet(name="gpu", kind="sagemaker", minimum=1, models=("textgen",)),
            "takes no shards",
        ),
        (DeployedFleet(name="gpu", models=("textgen",)), "give it 'minimum: 1'"),
    ],
)
def test_a_job_that_nobody_would_run_is_refused_with_the_remedy(
    fleet: DeployedFleet, reason: str
) -> None:
    assert reason in out_of_reach(Fleets({"gpu": fleet}))["textgen"]


def test_a_fleet_that_is_always_there_runs_shards() -> None:
    fleet = DeployedFleet(name="gpu", minimum=1, models=("textgen",))
    assert out_of_reach(Fleets({"gpu": fleet})) == {}
