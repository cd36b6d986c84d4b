"""The function ``batch`` as it is put together, and schedules, against an emulator of its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.eventbridge.schedules import (
    FoundSchedule,
    ScheduleDeadLetters,
    Schedules,
    Undelivered,
)
from serval.aws.stepfunctions.executions import BatchExecutions
from serval.batch.job.job import ShardRecord
from serval.bootstrap.batch import batch
from serval.bundles.schedules import (
    batch_input,
    dead_letters_name,
    expression,
    group_name,
    schedule_name,
)
from serval.http.batch import BatchEndpoint
from serval.models.route import Route
from serval_cli.local.aws_client import CONFIG, create_session, environment
from tests.fakes.batch_api import IRIS
from tests.fakes.emulator import TABLE, Emulator, emulator
from tests.fakes.inference import version_record
from tests.fakes.submission import answered, call
from tests.fakes.tables import create_jobs_table

DATA = "serval-data"
ROLE = "arn:aws:iam::000000000000:role/any"
ROWS = b"".join(b"%d.5,3.5,1.4,0.2\n" % (number % 7) for number in range(2_000))
WAITING = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}


@dataclass
class Stage:
    """The function on what it reads and writes, and a caller's key."""

    endpoint: BatchEndpoint
    key: str
    jobs: JobTable
    s3: Any
    states: Any
    machine: str

    def ask(self, event: str, path: str, body: Any = None, query: str = "", **more: str) -> Any:
        given = call(event, path, body, key=self.key, **more)
        given["queryStringParameters"] = dict(part.split("=") for part in query.split("&") if part)
        return self.endpoint.reply(given)

    def executions(self) -> dict[str, str]:
        """Give the status of each execution by its name."""
        answer = self.states.list_executions(stateMachineArn=self.machine)
        return {one["name"]: one["status"] for one in answer["executions"]}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with emulator() as found:
        yield found


def client(running: Emulator, service: str) -> Any:
    return create_session().client(service, endpoint_url=running.url, config=CONFIG)


@pytest.fixture(scope="module")
def stage(running: Emulator) -> Iterator[Stage]:
    dynamodb = create_session().resource("dynamodb", endpoint_url=running.url, config=CONFIG)
    table = create_jobs_table(dynamodb, "jobs")
    s3, states = client(running, "s3"), client(running, "stepfunctions")
    s3.create_bucket(Bucket=DATA)
    s3.put_object(Bucket=DATA, Key="batch/iris/orders/rows.csv", Body=ROWS)
    machine = states.create_state_machine(
        name="serval-test-batch", definition=json.dumps(WAITING), roleArn=ROLE
    )["stateMachineArn"]
    running.registry.record(version_record("iris", "1", b"graph", IRIS))
    running.registry.set_route("iris", Route("1"), None)
    text, _ = running.keys.create("test", ["*"])
    with pytest.MonkeyPatch.context() as patched:
        settings = {
            "REGISTRY_TABLE": TABLE,
            "JOBS_TABLE": "jobs",
            "DATA_BUCKET": DATA,
            "BATCH_MACHINE": machine,
            "SHARD_MEMORY_MIB": "1769",
            "SHARDS_AT_ONCE": "40",
            "BATCH_JOBS_PER_MINUTE": "60",
            "BATCH_OPEN_JOBS": "20",
            "BATCH_LEAST_SHARD_BYTES": "1000",
        }
        for name, value in (environment(running.url) | settings).items():
            patched.setenv(name, value)
        endpoint = batch.build().use_case
        yield Stage(endpoint, text, JobTable(table), s3, states, machine)
        endpoint.admission.reader.dynamodb.close()  # type: ignore[attr-defined]


def test_a_job_is_started_once_looked_at_and_cancelled(stage: Stage) -> None:
    asked = {"input": f"s3://{DATA}/batch/iris/orders/rows.csv"}
    path = "/batch/models/iris/jobs"
    first = answered(stage.ask("batch_start", path, asked, idempotency_key="order-1"), 202)
    again = answered(stage.ask("batch_start", path, asked, idempotency_key="order-1"), 202)
    assert first["id"] == again["id"]
    assert stage.executions() == {first["id"]: "RUNNING"}

    job = stage.jobs.find(first["id"])
    assert job is not None
    owner = f"{stage.machine.replace(':stateMachine:', ':execution:')}:{job.id}"
    running = replace(job, owner=owner, version="1", status="running", shards=2, format="csv")
    assert stage.jobs.save(job, running)
    begun = ShardRecord(job=job.id, index=0, updated=job.created, rows=900, busy_ms=1000)
    assert stage.jobs.record(begun)
    seen = answered(stage.ask("batch_get", f"/batch/jobs/{job.id}"), 200)
    assert (seen["status"], seen["rows"], seen["shards_done"]) == ("running", 900, 0)

    ended = answered(stage.ask("batch_cancel", f"/batch/jobs/{job.id}"), 200)
    assert ended["status"] == "cancelled"
    assert stage.executions() == {job.id: "ABORTED"}
    key = f"batch/iris/out/{job.id}/summary.json"
    summary = json.loads(stage.s3.get_object(Bucket=DATA, Key=key)["Body"].read())
    assert summary["status"] == "cancelled"
    (result,) = answered(stage.ask("batch_get", f"/batch/jobs/{job.id}"), 200)["results"]
    assert result["name"] == "summary.json"
    reply = httpx.get(result["url"])
    assert reply.is_success, reply.text
    assert reply.json() == summary

    listed = answered(stage.ask("batch_list", "/batch/jobs"), 200)["jobs"]
    assert [one["id"] for one in listed] == [job.id]
    retried = answered(stage.ask("batch_retry", f"/batch/jobs/{job.id}/retry"), 202)
    assert (retried["status"], retried["attempt"]) == ("queued", 2)
    assert stage.executions()[f"{job.id}-2"] == "RUNNING"


def test_a_dry_run_looks_at_the_input(stage: Stage) -> None:
    path, query = "/batch/models/iris/jobs", "dry_run=true"
    asked = {
        "input": f"s3://{DATA}/batch/iris/orders/rows.csv",
        "options": {"csv": {"header": False}},
    }
    seen = answered(stage.ask("batch_dry_run", path, asked, query), 200)
    assert (seen["files"], seen["input_bytes"], seen["shards"]) == (1, len(ROWS), 1)
    assert 1_900 < seen["rows"] < 2_100
    assert 0 < seen["cost_usd"] < 0.01
    gone = answered(
        stage.ask("batch_dry_run", path, {"input": f"s3://{DATA}/batch/iris/gone.csv"}, query), 400
    )
    assert "s3://serval-data/batch/iris/gone.csv does not exist" in gone["error"]


def test_a_key_of_one_model_reads_and_replaces_nothing_of_another(
    stage: Stage, running: Emulator
) -> None:
    secret, path = b"name,a,b,c,d\nSECRET,1,2,3,4\n", "/batch/models/iris/jobs"
    for key in ("batch/digits/rows.csv", "batch/digits/answers/output.csv"):
        stage.s3.put_object(Bucket=DATA, Key=key, Body=secret)
    text, _ = running.keys.create("iris alone", ["iris"])
    scoped = replace(stage, key=text)
    theirs, answers = f"s3://{DATA}/batch/digits/rows.csv", f"s3://{DATA}/batch/digits/answers/"
    options = {"format": "csv", "csv": {"delimiter": "|"}}
    for query in ("dry_run=true", ""):
        asked = {"input": theirs, "options": options}
        refused = answered(scoped.ask("batch_dry_run", path, asked, query), 403)
        assert "SECRET" not in json.dumps(refused)
    asked = {"input": f"s3://{DATA}/batch/iris/orders/rows.csv", "output": answers}
    answered(scoped.ask("batch_start", path, asked, idempotency_key="take-over"), 403)
    left = stage.s3.get_object(Bucket=DATA, Key="batch/digits/answers/output.csv")["Body"].read()
    assert left == secret
    options = {"csv": {"header": False}}
    own = {"input": f"s3://{DATA}/batch/iris/orders/rows.csv", "options": options}
    answered(scoped.ask("batch_dry_run", path, own, "dry_run=true"), 200)


def test_an_execution_that_is_gone_need_not_be_stopped(stage: Stage) -> None:
    BatchExecutions(stage.states, stage.machine).stop("never-started")


def test_schedules_are_found_page_by_page(running: Emulator) -> None:
    scheduler = client(running, "scheduler")
    group = group_name("test")
    assert list(Schedules(scheduler, group).all()) == []
    scheduler.create_schedule_group(Name=group)
    given = batch_input("iris", "nightly", source="s3://in/", output="s3://out/", options={})
    name = schedule_name("iris", "nightly")
    scheduler.create_schedule(
        Name=name,
        GroupName=group,
        ScheduleExpression=expression("0 3 * * ? *"),
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:states:any", "RoleArn": ROLE, "Input": json.dumps(given)},
    )
    assert list(Schedules(scheduler, group).all()) == [
        FoundSchedule(name=name, expression="cron(0 3 * * ? *)", enabled=True, input=given)
    ]


def test_dead_letters_of_schedules_are_looked_at_and_stay(running: Emulator) -> None:
    sqs = client(running, "sqs")
    letters = ScheduleDeadLetters(sqs, dead_letters_name("test"))
    assert (letters.count(), letters.some()) == (0, [])
    url = sqs.create_queue(QueueName=dead_letters_name("test"))["QueueUrl"]
    said = {
        "SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:1:schedule/serval-test/iris.nightly",
        "ERROR_CODE": "AccessDeniedException",
        "ERROR_MESSAGE": "no right to start",
    }
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in said.items()}
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageAttributes=attributes)
    for _ in range(2):
        assert letters.count() == 1
        assert letters.some() == [
            Undelivered("iris.nightly", "AccessDeniedException: no right to start")
        ]
