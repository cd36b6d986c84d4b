"""The functions that control fleets as they are composed, against an emulator of its own."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.sagemaker_endpoints import SageMakerEndpoints
from serval.aws.sqs.queues import ModelQueues
from serval.bootstrap.fleets import complete, dispatch, sweep, tick
from serval.clock import timestamp, utc_now
from serval.fleets.state import FleetState
from serval.models.resource_names import (
    callbacks_queue_name,
    dead_letter_queue_name,
    queue_name,
    tick_rule_name,
)
from serval.models.route import Route
from serval.requests.request import AsyncRequest
from serval_cli.local.aws_client import CONFIG, FOREIGN, create_session, environment
from tests.fakes.emulator import TABLE, Emulator, emulator
from tests.fakes.endpoints import InMemoryEndpoints, notice, output_key
from tests.fakes.inference import plus, signature, version_record
from tests.fakes.requests import FLEETS, async_request
from tests.fakes.tables import create_requests_table

STAGE, BUCKET = "s", "data"
AGO = timedelta(minutes=15)


@dataclass
class Platform:
    """What the functions find in AWS."""

    store: RequestTable
    states: FleetTable
    queues: ModelQueues
    s3: Any
    events: Any

    @property
    def ticking(self) -> bool:
        return bool(self.events.describe_rule(Name=tick_rule_name(STAGE))["State"] == "ENABLED")

    def submit(self, request_id: str, **members: Any) -> AsyncRequest:
        """Write a row, and no message."""
        now = timestamp(utc_now())
        row = async_request(request_id, **{"created": now, "updated": now, **members})
        assert self.store.create(row)
        return row

    def row(self, request_id: str) -> AsyncRequest:
        found = self.store.find(request_id)
        assert found is not None
        return found

    def close(self, request_id: str) -> None:
        row = self.row(request_id)
        assert self.store.save(row, replace(row, status="succeeded"))


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with emulator() as started:
        record = version_record("vision", "1", plus(1), signature("FP32", [-1]))
        started.registry.record(record)
        started.registry.set_route("vision", Route("1"), None)
        yield started


@pytest.fixture
def platform(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    settings = {
        "STAGE": STAGE,
        "REGISTRY_TABLE": TABLE,
        "REQUESTS_TABLE": "requests",
        "WAITING_PLACES": "40",
        "JOBS_TABLE": "jobs",
        "DATA_BUCKET": BUCKET,
        "FLEETS": FLEETS.to_text(),
        "MACHINES": "rows",
    }
    for name, value in {**environment(running.url, {}), **settings}.items():
        monkeypatch.setenv(name, value)
    aws: dict[str, Any] = {
        name: create_session().client(name, endpoint_url=running.url, config=CONFIG)
        for name in ("sqs", "s3", "events")
    }
    dynamodb = create_session().resource("dynamodb", endpoint_url=running.url, config=CONFIG)
    table = create_requests_table(dynamodb, "requests")
    names = [callbacks_queue_name(STAGE)]
    for model in FLEETS.models:
        names += [queue_name(STAGE, model), dead_letter_queue_name(STAGE, model)]
    urls = [aws["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in names]
    aws["s3"].create_bucket(Bucket=BUCKET)
    rule = tick_rule_name(STAGE)
    aws["events"].put_rule(Name=rule, ScheduleExpression="rate(1 minute)", State="DISABLED")
    registry = dynamodb.Table(TABLE)
    yield Platform(
        RequestTable(table),
        FleetTable(registry),
        ModelQueues(aws["sqs"], STAGE),
        aws["s3"],
        aws["events"],
    )
    table.delete()
    for url in urls:
        aws["sqs"].delete_queue(QueueUrl=url)
    for fleet in FLEETS.by_name:
        registry.delete_item(Key={"pk": f"FLEET#{fleet}", "sk": "STATE"})


def test_a_fleet_wakes_for_a_request_and_sleeps_after_it(
    platform: Platform, capsys: pytest.CaptureFixture[str]
):
    platform.submit("r1")
    ready = tick.build().use_case

    ready.control.wake("gpu")
    assert platform.states.find("gpu").machines == 1
    assert platform.ticking
    assert ready.tick()["goes_on"] is True
    assert '"OldestAge"' in capsys.readouterr().out

    platform.close("r1")
    awake = platform.states.find("gpu")
    long_ago = timestamp(utc_now() - AGO)
    platform.states.save(awake, replace(awake, idle_since=long_ago, ticked=long_ago))
    ready.tick()
    asleep = platform.states.find("gpu")
    assert (asleep.machines, platform.ticking) == (0, True)

    platform.states.save(asleep, replace(asleep, slept=long_ago))
    assert ready.tick()["goes_on"] is False
    assert not platform.ticking


def test_a_sweep_sends_again_what_was_lost_and_wakes_its_fleet(platform: Platform):
    long_ago = timestamp(utc_now() - AGO)
    platform.submit("r1", updated=long_ago)
    platform.submit("r2")
    platform.submit("r3", status="succeeded", callback_url="https://example.com", updated=long_ago)

    told = sweep.build().use_case.sweep()

    assert told == {
        "sent": {"textgen": 1},
        "ended": {},
        "woken": ["gpu"],
        "called": 1,
        "stranded": 0,
    }
    assert platform.queues.counts("textgen").visible == 1
    assert platform.states.find("gpu").machines == 1
    assert platform.ticking


def test_a_request_goes_to_an_endpoint_and_its_result_comes_back(platform: Platform):
    platform.submit("r1", model="vision", fleet="managed")
    platform.queues.send("vision", "r1")
    ready, endpoints = dispatch.build().use_case, InMemoryEndpoints()
    assert isinstance(ready.hand_over.endpoints, SageMakerEndpoints)
    ready = replace(ready, hand_over=replace(ready.hand_over, endpoints=endpoints))

    assert ready.dispatch("managed", "token") == {"handed over": 1}

    assert platform.states.find("managed").sent == ("r1.1",)
    assert platform.row("r1").output_key == output_key("r1.1")
    platform.s3.put_object(Bucket=BUCKET, Key=output_key("r1.1"), Body=b'{"outputs": []}')
    event = notice(
        "r1.1",
        invocationStatus="Completed",
        responseParameters={"outputLocation": f"s3://{BUCKET}/{output_key('r1.1')}"},
    )
    (ended,) = complete.build().use_case.complete(event)

    assert ended == {"inference": "r1.1", "outcome": "succeeded"}
    assert platform.row("r1").response_bytes == 15
    assert platform.states.find("managed").sent == ()


def test_a_row_that_was_never_written_sleeps(platform: Platform):
    assert platform.states.find("gpu") == FleetState(fleet="gpu")
    assert tick.build().use_case.tick() == {"fleets": [], "goes_on": False}
