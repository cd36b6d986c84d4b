"""The function ``answer``: messages about requests in, their results and what is kept out."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from serval.bootstrap.pipelines import pipeline_opening
from serval.bootstrap.requests import answer
from serval.errors import MalformedBody
from serval.handlers.row_bodies import distant_handlers
from serval.inference.loaded import LoadedVersions
from serval.inference.runtimes import RuntimeFailed
from serval.requests import lifecycle
from serval.requests.document import Documents
from serval.worker.program.assembly import WorkerParts
from serval.worker.queue.deliveries import DeliveredInbox, Deliveries
from tests.fakes.handler_functions import InMemoryFunction
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.requests import InMemoryPayloads, InMemoryStepRecords
from tests.fakes.worker import CRASHES, FAILS, LEASE, WorkerDied, World, row_of

ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "STREAMS_TABLE": "streams",
    "DATA_BUCKET": "data",
    "ARTIFACT_BUCKET": "artifacts",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
VISIBILITY_SECONDS = 5400
"""Of the queue: Lambda's own pollers hide messages for so long."""
RECORDED = "20261121T101530-1f0c9a2b3c4d5e6f708192a3b4c5d6e7f8"


CHAIN = """
name: chain
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: once, model: textgen}
  - {name: twice, model: resnet, input: {x: once.y}}
output: {y: twice.y}
"""


@dataclass
class Mortal(InMemoryPayloads):
    """A data bucket in front of which the environment may die once."""

    deadly: bool = False

    def put(self, key: str, body: bytes) -> None:
        super().put(key, body)
        if self.deadly:
            self.deadly = False
            raise WorkerDied


@dataclass
class Light:
    """A stage whose models have no fleet."""

    world: World
    payloads: Mortal = field(default_factory=Mortal)
    handler: InMemoryFunction = field(default_factory=lambda: InMemoryFunction(bytes.upper))
    """The function of the model ``adding``."""

    def __post_init__(self) -> None:
        self.world.payloads = self.payloads
        for model, number in (("textgen", 1.0), ("resnet", 2.0)):
            self.world.registry.add(model, "1", number)

    def environment(self, name: str = "lambda-1", beat_seconds: float = 3600.0) -> Deliveries:
        """Start an environment of the function."""
        inbox = DeliveredInbox(self.world.inbox)
        parts = WorkerParts.of(
            replace(self.world.ports(), inbox=inbox),
            replace(answer.identity(), worker=name),
            self.versions(name),
            self.world.stepped(),
        )
        return replace(answer.deliveries(parts, inbox), beat_seconds=beat_seconds)

    def versions(self, name: str) -> LoadedVersions:
        """Give what an environment has in memory."""
        loaded = self.world.open_versions(name)
        loaded.elsewhere = distant_handlers(self.handler.ask)
        loaded.compose = pipeline_opening(self.world.registry.route)
        return loaded

    def deliver(self, environment: Deliveries, *models: str) -> list[str]:
        """Do what Lambda does with what is visible; give the ids of what it keeps."""
        found = [
            message
            for model in models or ("textgen",)
            for message in self.world.inbox.receive(model, 10, 0, VISIBILITY_SECONDS)
        ]
        records = [
            {
                "messageId": one.request_id,
                "receiptHandle": one.receipt,
                "body": json.dumps({"id": one.request_id, "model": one.model}),
            }
            for one in found
        ]
        reply = answer.answer(environment, {"Records": records}, Context())
        kept = [failure["itemIdentifier"] for failure in reply["batchItemFailures"]]
        self.world.inbox.delete([one for one in found if one.request_id not in kept])
        return kept


@pytest.fixture
def light(tmp_path: Path) -> Light:
    return Light(World(tmp_path))


def test_the_handler_answers_a_recorded_event(
    light: Light, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    light.world.registry.add("iris", "1", 3.0)
    light.world.submit(RECORDED, model="iris", payload=row_of(4.0))
    handler = imported("answer", ENVIRONMENT, light.environment(), monkeypatch).handler

    assert handler(recorded("answer"), Context()) == {"batchItemFailures": []}

    assert light.world.result(RECORDED) == [7.0, 3.0]
    assert logged(capsys)["requests"] == [RECORDED]


def test_requests_of_several_models_are_answered_and_counted(light: Light) -> None:
    light.world.submit("r1", "r2", payload=row_of(4.0))
    light.world.submit("r3", model="resnet", payload=row_of(4.0), callback_url="https://a.example")

    assert light.deliver(light.environment(), "textgen", "resnet") == []

    assert [light.world.result(name) for name in ("r1", "r2", "r3")] == [
        [5.0, 1.0],
        [5.0, 1.0],
        [6.0, 2.0],
    ]
    assert light.world.runs == [2, 1], "requests of a model share a run"
    assert light.world.callbacks.sent == ["r3"]
    counted = Counter[str]()
    for line in light.world.metrics():
        counted[line["Model"]] += line["Requests"]
    assert counted == {"textgen": 2, "resnet": 1}


def test_a_function_killed_between_the_run_and_the_close_leaves_one_result(light: Light) -> None:
    light.world.submit("r1", payload=row_of(4.0))
    light.payloads.deadly = True
    with pytest.raises(WorkerDied):
        light.deliver(light.environment("lambda-1"))
    assert light.world.row("r1").status == "running"
    assert light.deliver(light.environment("lambda-2")) == [], "its message is hidden"

    light.world.clock.pass_seconds(LEASE.total_seconds())
    assert light.deliver(light.environment("lambda-3")) == []

    row = light.world.row("r1")
    assert (row.attempts, row.runner) == (2, None)
    assert light.world.result("r1") == [5.0, 1.0]
    assert light.world.inbox.queues["textgen"] == []


def test_what_ends_the_function_each_time_becomes_a_dead_letter(light: Light) -> None:
    light.world.submit("r1", payload=row_of(CRASHES))
    for number in range(3):
        with pytest.raises(WorkerDied):
            light.deliver(light.environment(f"lambda-{number}"))
        light.world.clock.pass_seconds(LEASE.total_seconds())
    assert light.deliver(light.environment()) == []

    row = light.world.row("r1")
    assert (row.status, row.attempts) == ("failed", 3)
    assert "its last attempt was lost" in (row.error or "")
    assert [dead[:2] for dead in light.world.inbox.dead] == [("textgen", "r1")]


def test_an_environment_goes_on_after_a_failure_of_its_own(light: Light) -> None:
    environment = light.environment()
    light.world.submit("r1", payload=row_of(CRASHES))
    with pytest.raises(WorkerDied):
        light.deliver(environment)
    light.world.submit("r2", payload=row_of(4.0))
    assert light.deliver(environment) == []
    assert light.world.result("r2") == [5.0, 1.0]
    assert len(environment.holdings) == 0


def test_a_failed_attempt_is_delivered_again_after_a_while(light: Light) -> None:
    environment = light.environment()
    light.world.submit("r1", payload=row_of(FAILS))
    for attempt in (1, 2):
        assert light.deliver(environment) == ["r1"]
        assert light.deliver(environment) == [], "it is hidden"
        light.world.clock.pass_seconds(2**attempt)
    assert light.deliver(environment) == []
    assert light.world.row("r1").status == "failed"
    assert len(light.world.inbox.dead) == 1


def test_messages_that_nothing_is_to_be_done_about_are_deleted(light: Light) -> None:
    light.world.submit("done", status="succeeded")
    light.world.submit("unwanted", cancel_requested=True)
    light.world.inbox.send("textgen", "expired")
    assert light.deliver(light.environment()) == []
    assert light.world.row("unwanted").status == "cancelled"
    assert light.world.inbox.queues["textgen"] == []
    assert light.world.runs == []


def test_a_request_that_another_environment_runs_waits_for_its_lease(light: Light) -> None:
    light.world.submit("r1")
    row = light.world.row("r1")
    light.world.store.save(row, lifecycle.begin(row, "lambda-9", light.world.clock(), LEASE))
    assert light.deliver(light.environment()) == ["r1"]
    light.world.clock.pass_seconds(LEASE.total_seconds() - 1)
    assert light.world.inbox.visible("textgen") == []
    light.world.clock.pass_seconds(1)
    assert light.world.inbox.visible("textgen") == ["r1"]


def test_what_cannot_be_looked_up_is_kept(light: Light) -> None:
    light.world.submit("r1")
    light.world.registry.silent = True
    assert light.deliver(light.environment()) == ["r1"]
    assert light.world.row("r1").attempts == 0


def test_leases_are_extended_while_a_request_runs(light: Light) -> None:
    environment = light.environment(beat_seconds=0.001)
    light.world.submit("r1", payload=row_of(4.0))
    until: list[Any] = []

    def run_on() -> None:
        """Run until the lease that the attempt began with has ended, and been extended."""
        before = light.world.row("r1").lease_until
        light.world.clock.pass_seconds(30)
        while (now := light.world.row("r1").lease_until) == before:
            pass
        until.extend([before, now])

    light.world.during = run_on
    assert light.deliver(environment) == []
    assert until[0] < until[1]
    assert light.world.result("r1") == [5.0, 1.0]


def calls(*bodies: str, **headers: str) -> bytes:
    """Give a request with bodies for a handler."""
    inputs = [{"name": "body", "datatype": "BYTES", "shape": [len(bodies)], "data": bodies}]
    for name, value in headers.items():
        inputs.append({"name": name, "datatype": "BYTES", "shape": [1], "data": [value]})
    return json.dumps({"inputs": inputs}).encode()


@pytest.fixture
def with_handler(light: Light) -> Light:
    light.world.registry.publish_handler("adding", b"code")
    return light


def test_a_handler_is_answered_by_its_own_function(with_handler: Light) -> None:
    light, world = with_handler, with_handler.world
    light.handler.calls_at_once = 2
    world.submit("r1", model="adding", payload=calls("a", "b", "c", content_type="text/plain"))

    assert light.deliver(light.environment(), "adding") == []

    assert world.result("r1") == ["A", "B", "C"]
    outputs = json.loads(world.payloads.objects[world.row("r1").response_key or ""])["outputs"]
    assert outputs[1]["data"] == ["text/plain"] * 3
    assert light.handler.asked == [3, 1]


def test_what_a_handler_refuses_is_told_and_what_it_fails_on_is_tried_again(
    with_handler: Light,
) -> None:
    light, world = with_handler, with_handler.world

    def refuse(body: bytes) -> bytes:
        if body == b"bad":
            raise MalformedBody("the body is bad")
        raise RuntimeFailed("handler.py raised KeyError")

    light.handler.process.answer = refuse
    world.submit("r1", model="adding", payload=calls("bad"))
    world.submit("r2", model="adding", payload=calls("worse"))
    environment = light.environment()

    assert light.deliver(environment, "adding") == ["r2"]

    assert (world.row("r1").status, world.row("r1").error) == ("failed", "the body is bad")
    assert (world.row("r2").status, world.row("r2").attempts) == ("queued", 1)
    for _ in range(2):
        world.clock.pass_seconds(LEASE.total_seconds())
        light.deliver(environment, "adding")
    assert world.row("r2").status == "failed"
    assert "raised KeyError" in (world.row("r2").error or "")
    assert [dead[:2] for dead in world.inbox.dead] == [("adding", "r2")]


def test_a_request_waits_for_a_handlers_function_that_does_not_answer(with_handler: Light) -> None:
    light, world = with_handler, with_handler.world
    light.handler.late = 10
    world.submit("r1", model="adding", payload=calls("a"))
    environment = light.environment()

    assert light.deliver(environment, "adding") == ["r1"]

    assert (world.row("r1").status, world.row("r1").attempts) == ("queued", 0)
    world.clock.pass_seconds(LEASE.total_seconds())
    assert light.deliver(environment, "adding") == []
    assert world.result("r1") == ["A"]


def test_a_pipeline_is_answered_with_its_steps(light: Light) -> None:
    registry = light.world.registry
    publish_pipeline(registry, CHAIN)
    light.world.submit("r1", model="chain", payload=row_of(4.0))
    assert light.deliver(light.environment(), "chain") == []
    assert light.world.result("r1") == [7.0, 3.0]
    described = Documents(light.payloads, InMemoryStepRecords()).describe(light.world.row("r1"))
    assert described.members["step_versions"] == {"once": "1", "twice": "1"}
