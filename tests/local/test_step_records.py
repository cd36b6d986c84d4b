"""The records of pipelines' steps, against an emulator of its own."""

from typing import Any

from serval.aws.dynamodb.requests import RequestTable
from serval.aws.dynamodb.step_records import StepRecordTable, item_id
from serval.requests.step_records import StepRecord
from tests.fakes.requests import async_request

BEGUN = StepRecord(name="tags", status="running", started="2026", requests=("r1", "r2"))
DONE = StepRecord(
    name="tags",
    status="succeeded",
    started="2026",
    finished="2027",
    value_key="async/r/steps/tags",
    header_length=7,
    outputs=[{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
)


def test_the_record_of_a_step_that_is_done_stands(requests_table: Any) -> None:
    records = StepRecordTable(requests_table)
    other = StepRecord(name="words", status="skipped", started="2026", finished="2026")
    assert records.read("r") == {}
    for record in (BEGUN, other, DONE, BEGUN, StepRecord(name="tags", status="failed", started="")):
        records.write("r", record)
    assert records.read("r") == {"tags": DONE, "words": other}
    assert "expires" in requests_table.get_item(Key={"id": item_id("r")})["Item"]


def test_records_are_no_requests(requests_table: Any) -> None:
    store = RequestTable(requests_table)
    store.create(async_request("r"))
    StepRecordTable(requests_table).write("r", BEGUN)
    assert [row.id for row in store.of_model("textgen", 10)] == ["r"]
    assert [row.id for row in store.open()] == ["r"]
