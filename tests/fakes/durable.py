"""A stage in memory that runs durable pipelines: queues, a worker, and Step Functions' part.

The state machine is the one that the stacks declare, walked through state by state.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from serval.bootstrap.pipelines import pipeline_opening
from serval.bootstrap.requests import answer
from serval.durable.end import EndPipeline
from serval.durable.proceed import Proceed
from serval.durable.step_requests import StepRequests
from serval.errors import ModelOnFleet
from serval.handlers.row_bodies import distant_handlers
from serval.inference.cached import keep_answers
from serval.inference.kept_answers import KeptAnswers
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.metrics import InferenceMetrics
from serval.models.route import KnownStables, KnownVersions
from serval.models.version import ModelVersion
from serval.requests.callbacks.deliver import DeliverCallback
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.request import AsyncRequest
from serval.requests.retry import Retry
from serval.requests.submit.checks import SubmissionChecks
from serval.requests.submit.submit import Submit
from serval.worker.program.assembly import WorkerParts
from serval.worker.queue.deliveries import DeliveredInbox, Deliveries
from stacks.pipelines.states import definition
from tests.fakes.handler_functions import InMemoryFunction
from tests.fakes.requests import InMemoryStepRecords, RecordedTasks
from tests.fakes.worker import World
from tests.stacks.walk import at, choose, fill, put

LIGHT = {"one": 1.0, "ten": 10.0}
HEAVY = {"textgen": 100.0, "resnet": -7.0}
"""Models on the fleet ``gpu``, and what they add."""
MACHINE = definition("proceed", partition="aws", queue_url="callbacks")
MOST_STATES = 10_000
State = dict[str, Any]


class Died(Exception):
    """A function's environment is gone in the middle of something."""


class TaskFailed(Exception):
    """A state failed, after all retries."""


@dataclass
class Woken:
    """``Waker``: which fleets were woken."""

    fleets: list[str] = field(default_factory=list)

    def wake(self, fleet: str) -> None:
        self.fleets.append(fleet)


@dataclass
class DurableStage:
    """Everything that a durable pipeline's request meets."""

    folder: Path
    light: Mapping[str, float] = field(default_factory=lambda: LIGHT)
    heavy: Mapping[str, float] = field(default_factory=lambda: HEAVY)
    world: World = field(init=False)
    records: InMemoryStepRecords = field(default_factory=InMemoryStepRecords)
    tasks: RecordedTasks = field(default_factory=RecordedTasks)
    before: Callable[[str], None] = lambda what: None
    """Called before each write and message, and after each run of a step; may die."""
    executions: list[State] = field(default_factory=list)
    """Inputs of the executions that are to run."""
    started: list[tuple[str, int]] = field(default_factory=list)
    events: list[State] = field(default_factory=list)
    """What ``proceed`` was called with."""
    stall: Callable[[], None] = lambda: None
    """Called when an execution waits for a request, before the fleet's worker does anything."""
    idle: bool = False
    """The fleet has no machine."""
    answers: KeptAnswers | None = None
    """Kept answers; None: there is no cache."""
    handler: InMemoryFunction = field(
        default_factory=lambda: InMemoryFunction(lambda body: body, model="shelf")
    )
    """The function of a handler on Lambda, which answers with what it is given."""

    def __post_init__(self) -> None:
        self.world = World(self.folder, models=tuple(self.heavy))
        for model, number in {**self.light, **self.heavy}.items():
            self.world.registry.add(model, "1", number)
        for model in self.heavy:
            record = self.world.registry.records[model, "1"]
            bundle = {**record.bundle, "compute": {"target": "fleet", "fleet": "gpu"}}
            self.world.registry.records[model, "1"] = replace(record, bundle=bundle)
        self.world.registry.publish_handler(self.handler.model, b"code")

    def find_light(self, model: str, version: str) -> ModelVersion:
        """Find a version, as functions do."""
        record = self.world.registry.version(model, version)
        if record.on_fleet:
            raise ModelOnFleet(model)
        return record

    def start(self, request_id: str, attempt: int) -> None:
        """Start an execution, once for each attempt."""
        self.before("start")
        if (request_id, attempt) not in self.started:
            self.started.append((request_id, attempt))
            self.executions.append({"request": request_id, "attempt": attempt})

    def answering(self) -> Deliveries:
        """Start an environment of ``answer``."""
        inbox = DeliveredInbox(self.world.inbox)
        loaded = self.world.open_versions("answer")
        loaded.elsewhere = distant_handlers(self.handler.ask)
        loaded.compose = pipeline_opening(self.world.registry.route, self)
        parts = WorkerParts.of(
            replace(self.world.ports(), inbox=inbox),
            replace(answer.identity(), worker="lambda-1"),
            loaded,
            self.world.stepped(),
        )
        return replace(answer.deliveries(parts, inbox), beat_seconds=3600.0)

    @property
    def cancel(self) -> Cancel:
        return Cancel(self.world.store, self.world.callbacks, self.records, self.world.clock)

    @property
    def submit(self) -> Submit:
        fleets = Fleets({"gpu": DeployedFleet(name="gpu", models=tuple(self.heavy))})
        checks = SubmissionChecks(fleets, self.world.registry.version)
        world = self.world
        return Submit(checks, world.store, world.payloads, world.inbox, Woken(), world.clock)  # type: ignore[arg-type]

    @property
    def retry(self) -> Callable[[AsyncRequest], AsyncRequest]:
        world = self.world
        return Retry(world.store, world.payloads, self.submit.announce, world.clock).retry

    def proceed(self) -> Proceed:
        """Start an environment of ``proceed``."""
        world, loaded = self.world, self.world.open_versions("proceed")
        loaded.find = self.find_light
        loaded.compose = pipeline_opening(world.registry.route)
        metrics = InferenceMetrics(write=world.log.append)
        loaded.count_failed_steps = metrics.count_failed_steps
        if (kept := self.answers) is not None:
            loaded.with_cache = partial(keep_answers, kept)
        registry = KnownVersions(world.registry, world.clock.monotonic)
        return Proceed(
            records=self.records,
            payloads=world.payloads,
            registry=registry,
            versions=loaded,
            stable=KnownStables(world.registry.route, world.clock.monotonic),
            requests=StepRequests(
                store=world.store,
                payloads=world.payloads,
                submit=self.submit,
                route=registry.route,
                retry=self.retry,
                cancel=self.cancel.cancel_left,
                answers=None if kept is None else lambda: kept,
                clock=world.clock,
            ),
            end=EndPipeline(
                store=world.store,
                callbacks=world.callbacks,
                steps=self.cancel,
                route=registry.route,
                metrics=metrics,
                clock=world.clock,
            ),
            clock=world.clock,
        )

    @property
    def documents(self) -> Documents:
        return Documents(self.world.payloads, self.records)

    def deliver(self, model: str) -> None:
        """Bring the messages about a pipeline's requests to ``answer``."""
        found = self.world.inbox.receive(model, 10, 0, 5400)
        environment = self.answering()
        kept = {one.receipt for one in environment.answer(found, 900.0)}
        self.world.inbox.delete([one for one in found if one.receipt not in kept])

    def finish(self, model: str) -> None:
        """Go on until nothing is left to do about a pipeline's requests."""
        self.deliver(model)
        while self.executions:
            DurableExecution(self).run(self.executions.pop(0))

    def finish_others(self) -> None:
        """Go on with requests that steps have made to pipelines, durable ones too."""
        for model in [name for name in self.world.inbox.queues if name not in self.heavy]:
            if self.world.inbox.visible(model):
                self.finish(model)

    def call_back(self) -> None:
        """Do what ``callback`` does with its messages."""
        deliver = DeliverCallback(
            self.world.store, self.documents, None, self.world.log.append, self.tasks
        )  # type: ignore[arg-type]
        while self.world.callbacks.sent:
            assert deliver.deliver(self.world.callbacks.sent.pop(0))

    def register(self, request_id: str, token: str) -> None:
        """Do what ``callback`` does for a task that waits."""
        DeliverCallback(
            self.world.store, self.documents, None, self.world.log.append, self.tasks
        ).register(request_id, token)  # type: ignore[arg-type]


@dataclass
class DurableExecution:
    """One execution of the machine."""

    stage: DurableStage
    visited: list[str] = field(default_factory=list)
    _proceed: Proceed | None = None
    _tokens: int = 0

    def run(self, given: State) -> None:
        """Walk from the first state to one that ends."""
        self.walk(MACHINE, {**given})

    def walk(self, machine: Mapping[str, Any], known: State) -> State:
        name = machine["StartAt"]
        while name:
            self.visited.append(name)
            assert len(self.visited) < MOST_STATES, "the execution never ends"
            state = machine["States"][name]
            try:
                known, name = self.step(state, known)
            except TaskFailed as failed:
                if "Catch" not in state:
                    raise
                error = {"Error": "Died", "Cause": str(failed)}
                known = put(known, "$.error", error)
                name = state["Catch"][-1]["Next"]
        return known

    def step(self, state: Mapping[str, Any], known: State) -> tuple[State, str]:
        match state["Type"]:
            case "Succeed":
                return known, ""
            case "Choice":
                return known, choose(state, known)
            case "Pass":
                return dict(state["Result"]), ""
            case "Map":
                for item in at(known, state["ItemsPath"]):
                    given = fill(state["ItemSelector"], {**known, "$item": item})
                    self.walk(state["ItemProcessor"], given)
                return known, state["Next"]
        payload = fill(state["Parameters"], known)
        if "QueueUrl" in payload:
            self.wait(payload["MessageBody"]["id"], at(known, state["TimeoutSecondsPath"]))
            return known, state["Next"]
        result = self.call(payload, tries=state["Retry"][-1]["MaxAttempts"] + 1)
        return put(known, state["ResultPath"], result), state["Next"]

    def call(self, payload: State, tries: int) -> Any:
        """Call ``proceed`` until it does not fail."""
        event = json.loads(json.dumps(payload))
        for _ in range(tries):
            self._proceed = self._proceed or self.stage.proceed()
            self.stage.events.append(event)
            try:
                self.stage.before("call")
                answered = json.loads(json.dumps(self._proceed.reply(event), allow_nan=False))
                self.stage.before("answered")
                return answered
            except Died as error:
                self._proceed, last = None, error
            except Exception as error:
                last = error  # type: ignore[assignment]
        raise TaskFailed(f"{type(last).__name__}: {last}") from last

    def wait(self, request_id: str, seconds: int) -> None:
        """Wait until a request has ended, or for so long."""
        assert isinstance(seconds, int)
        assert seconds > 0
        stage, world = self.stage, self.stage.world
        self._tokens += 1
        token = f"token-{len(stage.tasks.ended)}-{self._tokens}"
        try:
            stage.register(request_id, token)
        except Died:  # its message comes again
            stage.register(request_id, token)
        stage.stall()
        until = world.clock.seconds + seconds
        while token not in stage.tasks.ended and world.clock.seconds < until:
            with suppress(Died):  # another worker takes what this one had
                if not stage.idle:
                    world.worker("w1").work()
                    stage.finish_others()
                stage.call_back()
            if token not in stage.tasks.ended:
                world.clock.pass_seconds(min(70.0, until - world.clock.seconds))
