"""Events of batch jobs, as their published schema says."""

import json
from pathlib import Path

from serval.batch.job.events import event_detail, json_schema
from serval.batch.job.job import BatchJob
from serval.models.state_events import REASON_LIMIT
from tests.fakes.batch import BatchStage

SCHEMA = Path(__file__).parents[4] / "docs" / "batch-event.schema.json"


def test_the_schema_is_published() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema()


def test_every_state_of_a_job_is_an_event_of_the_schema() -> None:
    stage = BatchStage()
    stage.run(stage.upload("rows.csv", b"x_0,x_1\n1,2\n"))
    stage.run(stage.upload("rows.csv", b""))

    details = [event_detail(job) for job in stage.announced]

    assert [one["status"] for one in details] == [
        "queued", "planning", "running", "assembling", "succeeded", "queued", "failed",
    ]  # fmt: skip
    properties = json_schema()["properties"]
    for one in details:
        assert one.keys() == properties.keys()
        assert one["status"] in properties["status"]["enum"]
        assert one["origin"] in properties["origin"]["enum"]
    assert details[-1]["reason"].endswith("rows.csv is empty")
    assert details[4]["rows"] == 1


def test_a_long_reason_is_cut() -> None:
    job = BatchJob(id="j", model="m", created="", updated="", error="x" * 10_000)
    assert len(event_detail(job)["reason"]) == REASON_LIMIT
