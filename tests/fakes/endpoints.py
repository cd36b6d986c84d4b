"""SageMaker's endpoints in memory, and a fleet of them whose functions may die at any call."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from serval.clock import timestamp
from serval.fleets.control import FleetControl
from serval.fleets.endpoints.complete import Complete
from serval.fleets.endpoints.dispatch import LOOKING, STARTING, Calls, Dispatch
from serval.fleets.endpoints.hand_over import HandOver
from serval.fleets.endpoints.ports import OutputKeys
from serval.fleets.endpoints.routing import Routing
from serval.fleets.sweep import Sweep
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.metrics import InferenceMetrics
from serval.models.route import KnownVersions, Route
from serval.requests.end_attempt import EndAttempt
from serval.requests.request import AsyncRequest
from tests.fakes.fleets import (
    BUCKET,
    JSON_ANSWER,
    SERVER_ERROR,
    CalledBack,
    KnownModels,
    Queues,
    RecordedDispatcher,
    RecordedTicks,
    StoredObjects,
)
from tests.fakes.inbox import HandClock
from tests.fakes.registration import Crashes
from tests.fakes.requests import (
    GPU,
    START,
    InMemoryFleetStates,
    InMemoryRequests,
    RecordedMachines,
    async_request,
)


@dataclass
class InMemoryEndpoints:
    """``Endpoints``: what they hold, in order."""

    instances: int = 1
    held: dict[str, tuple[str, str | bytes, dict[str, Any]]] = field(default_factory=dict)
    """Fleet, payload and envelope of each inference."""
    failing: Exception | None = None

    def submit(
        self, fleet: str, inference_id: str, payload: str | bytes, attributes: str
    ) -> OutputKeys:
        if self.failing is not None:
            raise self.failing
        assert len(inference_id) <= 64
        assert len(attributes) <= 1024
        self.held[inference_id] = fleet, payload, json.loads(attributes)
        return OutputKeys(output_key(inference_id), failure_key(inference_id))

    def capacity(self, fleet: str) -> int:
        return self.instances


@dataclass
class InMemoryDuty:
    """``Duty`` with DynamoDB's conditions."""

    clock: HandClock
    calls: int = 0
    recount: bool = False
    holder: str = ""
    until: datetime = START
    started: int = 0
    """Dispatches that calls have started."""

    @property
    def free(self) -> bool:
        return not self.holder or self.until <= self.clock()

    def call(self, fleet: str, *, recount: bool = False) -> str | None:
        self.calls += 1
        self.recount = self.recount or recount
        if not self.free:
            return None
        self.started += 1
        self.holder, self.until = f"token-{self.started}", self.clock() + STARTING
        return self.holder

    def take(self, fleet: str, token: str) -> Calls | None:
        if not self.free and self.holder != token:
            return None
        self.holder, self.until = token, self.clock() + LOOKING
        return Calls(self.calls, self.recount)

    def leave(self, fleet: str, token: str, heard: Calls) -> bool:
        if self.holder != token or self.calls != heard.count:
            return False
        self.holder, self.recount = "", False
        return True

    def give_up(self, fleet: str, token: str) -> None:
        if self.holder == token:
            self.holder = ""


def output_key(inference_id: str) -> str:
    return f"async-out/{inference_id}.out"


def failure_key(inference_id: str) -> str:
    return f"async-out/{inference_id}-error.out"


class Dying:
    """A port whose process may die at each of its calls."""

    def __init__(self, port: Any, crashes: Crashes) -> None:
        self._port, self._crashes = port, crashes

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)

        def called(*arguments: Any, **named: Any) -> Any:
            self._crashes.before(f"{type(self._port).__name__}.{name}")
            answer = member(*arguments, **named)
            self._crashes.done()
            return answer

        return called


VISION = DeployedFleet(name="managed", kind="sagemaker", maximum=2, models=("vision", "speech"))


class ManagedFleet:
    """A SageMaker fleet of two models, all in memory, whose functions may die at any call."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.requests = InMemoryRequests()
        self.queues = Queues(self.clock)
        self.objects = StoredObjects()
        self.callbacks = CalledBack()
        self.endpoints = InMemoryEndpoints()
        self.models = KnownModels({"vision": Route("1"), "speech": Route("1")})
        self.states = InMemoryFleetStates()
        self.ticks = RecordedTicks()
        self.dispatcher = RecordedDispatcher()
        self.duty = InMemoryDuty(self.clock)
        self.printed: list[str] = []
        self.fleets = Fleets({"managed": VISION, "gpu": GPU})

    @property
    def sent(self) -> tuple[str, ...]:
        """Give what the fleet's row says that the endpoint holds."""
        return self.states.find("managed").sent

    def row(self, request_id: str) -> AsyncRequest:
        return self.requests.rows[request_id]

    def submit(self, request_id: str, model: str = "vision", **members: Any) -> None:
        """Let a request come, with its message."""
        now = timestamp(self.clock())
        self.requests.rows[request_id] = async_request(
            request_id, model=model, created=now, updated=now, **{"fleet": "managed"} | members
        )
        self.queues.send(model, request_id)

    def dispatch(self, *, recount: bool = False, crashes: Crashes | None = None) -> dict[str, int]:
        """Call for the fleet, and run ``dispatch`` in an environment of its own."""
        token = self.duty.call("managed", recount=recount) or "of nobody on duty"
        return self.dispatching(crashes).dispatch("managed", token)

    def dispatching(self, crashes: Crashes | None = None) -> Dispatch:
        crashes = crashes or Crashes()
        store = Dying(self.requests, crashes)
        hand_over = HandOver(
            control=self._control(crashes),
            store=store,
            inbox=Dying(self.queues, crashes),
            endpoints=Dying(self.endpoints, crashes),
            routing=Routing(KnownVersions(self.models, lambda: self.clock().timestamp())),
            end_attempt=self._end_attempt(crashes),
            clock=self.clock,
        )
        return Dispatch(
            hand_over=hand_over,
            duty=Dying(self.duty, crashes),
            random=Random(7),
            clock=self.clock,
        )

    def complete(self, event: Any, crashes: Crashes | None = None) -> str:
        """Run ``complete`` on an event of one notice."""
        (ended,) = self.completion(crashes).complete(event)
        return ended["outcome"]

    def completion(self, crashes: Crashes | None = None) -> Complete:
        crashes = crashes or Crashes()
        return Complete(
            control=self._control(crashes),
            store=Dying(self.requests, crashes),
            objects=self.objects,
            end_attempt=self._end_attempt(crashes),
            routing=Routing(KnownVersions(self.models, lambda: self.clock().timestamp())),
            metrics=InferenceMetrics(self.printed.append, self.clock.monotonic),
            bucket=BUCKET,
        )

    def sweep(self) -> dict[str, Any]:
        """Run ``sweep`` once."""
        return Sweep(
            control=self._control(Crashes()),
            store=self.requests,
            queue=self.queues,
            callbacks=self.callbacks,
            complete=self.completion(),
            clock=self.clock,
        ).sweep()

    def answer(self, inference_id: str, body: bytes = JSON_ANSWER) -> dict[str, Any]:
        """Let the endpoint answer; gives the event of its notice."""
        key = output_key(inference_id)
        self.objects.put(key, body)
        return notice(
            inference_id,
            invocationStatus="Completed",
            responseParameters={
                "contentType": "application/octet-stream",
                "outputLocation": f"s3://{BUCKET}/{key}",
            },
        )

    def fail(self, inference_id: str, reason: str = SERVER_ERROR) -> dict[str, Any]:
        """Let the endpoint fail; gives the event of its notice."""
        self.objects.put(failure_key(inference_id), b'{"error": "out of memory"}')
        return notice(inference_id, invocationStatus="Failed", failureReason=reason)

    def _control(self, crashes: Crashes) -> FleetControl:
        return FleetControl(
            fleets=self.fleets,
            states=Dying(self.states, crashes),
            machines=RecordedMachines(),
            ticks=self.ticks,
            dispatcher=self.dispatcher,
            clock=self.clock,
        )

    def _end_attempt(self, crashes: Crashes) -> EndAttempt:
        return EndAttempt(
            store=Dying(self.requests, crashes),
            queue=Dying(self.queues, crashes),
            dead_letters=Dying(self.queues, crashes),
            callbacks=Dying(self.callbacks, crashes),
            clock=self.clock,
        )


def notice(inference_id: str, **members: Any) -> dict[str, Any]:
    """Give the event of a notice that SageMaker has published."""
    message = {
        "receivedTime": "2026-11-21T10:20:28.455Z",
        "eventTime": "2026-11-21T10:20:31.608Z",
        "inferenceId": inference_id,
        "eventName": "InferenceResult",
        **members,
    }
    return {"Records": [{"Sns": {"Message": json.dumps(message)}}]}
