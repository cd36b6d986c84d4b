"""Fleets in memory: their ticks, what hands their requests over, what endpoints do with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from serval.clock import timestamp
from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.fleets.control import FleetControl
from serval.fleets.scale.observation import Observation
from serval.fleets.state import FleetState, WorkerState
from serval.models.deployed_fleets import Fleets
from serval.models.route import Route
from serval.models.version import ModelVersion
from serval.requests.request import AsyncRequest
from tests.fakes.inbox import HandClock, InMemoryInbox
from tests.fakes.inference import signature, version_record
from tests.fakes.requests import (
    FLEETS,
    START,
    InMemoryFleetStates,
    InMemoryPayloads,
    InMemoryRequests,
    RecordedMachines,
    async_request,
)

BUCKET = "serval-data"
JSON_ANSWER = b'{"model_name": "vision", "outputs": []}'
SERVER_ERROR = "ClientError: Received server error (500) from model. See the logs."


@dataclass
class RecordedTicks:
    """``Ticks``: whether they are on, and every switch."""

    on: bool = False
    switched: list[str] = field(default_factory=list)
    before_off: Callable[[], None] | None = None
    """What somebody else does just before they are switched off."""

    def enable(self) -> None:
        self.on = True
        self.switched.append("on")

    def disable(self) -> None:
        if self.before_off is not None:
            self.before_off()
        self.on = False
        self.switched.append("off")


@dataclass
class RecordedDispatcher:
    """``Dispatcher``: what was asked."""

    asked: list[tuple[str, bool]] = field(default_factory=list)

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        self.asked.append((fleet, recount))


@dataclass
class ControlledFleets:
    """A control, and everything that it reaches."""

    fleets: Fleets = FLEETS
    clock: HandClock = field(default_factory=HandClock)
    states: InMemoryFleetStates = field(default_factory=InMemoryFleetStates)
    machines: RecordedMachines = field(default_factory=RecordedMachines)
    ticks: RecordedTicks = field(default_factory=RecordedTicks)
    dispatcher: RecordedDispatcher = field(default_factory=RecordedDispatcher)
    requests: InMemoryRequests = field(default_factory=InMemoryRequests)

    def __post_init__(self) -> None:
        self.control = self.environment()

    def environment(self) -> FleetControl:
        """Give a control as one more environment of a function has it."""
        return FleetControl(
            fleets=self.fleets,
            states=self.states,
            machines=self.machines,
            ticks=self.ticks,
            dispatcher=self.dispatcher,
            clock=self.clock,
        )

    def state(self, fleet: str = "gpu") -> FleetState:
        return self.states.find(fleet)

    def set_state(self, fleet: str = "gpu", **members: Any) -> None:
        self.states.states[fleet] = replace(self.state(fleet), **members)

    def submit(self, request_id: str, **members: Any) -> AsyncRequest:
        """Let a request come now, without waking anybody."""
        now = timestamp(self.clock())
        row = async_request(request_id, **{"created": now, "updated": now, **members})
        self.requests.rows[request_id] = row
        return row


def worker(name: str = "w1", fleet: str = "gpu", **members: Any) -> WorkerState:
    """Give what a worker says that has nothing to do."""
    moment = timestamp(START)
    plain = WorkerState(fleet=fleet, worker=name, accelerator="CUDA", started=moment, seen=moment)
    return replace(plain, **members)


def workers(count: int, **members: Any) -> list[WorkerState]:
    """Give several that say the same."""
    return [worker(f"w{number}", **members) for number in range(count)]


def seen(seconds: float = 0.0, **members: Any) -> Observation:
    """Give one look at a fleet, so many seconds after the beginning."""
    return Observation(now=START + timedelta(seconds=seconds), **members)


def at(seconds: float) -> str:
    """Give a time as rows hold it."""
    return timestamp(START + timedelta(seconds=seconds))


@dataclass
class StoredObjects(InMemoryPayloads):
    """``Payloads`` that note how their beginnings are read."""

    read: list[int] = field(default_factory=list)
    """How many bytes each reading asked for."""

    def beginning(self, key: str, size_bytes: int) -> bytes:
        self.read.append(size_bytes)
        return super().beginning(key, size_bytes)


@dataclass
class Queues(InMemoryInbox):
    """``Inbox`` and ``RequestQueue``, of the same queues."""

    def send_all(self, model: str, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            self.send(model, request_id)


@dataclass
class CalledBack:
    """``CallbackQueue``: whose callers are to be called."""

    sent: list[str] = field(default_factory=list)

    def send(self, request_id: str, submitter: str | None = None) -> None:
        self.sent.append(request_id)


@dataclass
class KnownModels:
    """Routes and versions of models, and how often routes were asked for."""

    routes: dict[str, Route] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    def route(self, model: str) -> Route:
        self.asked += 1
        if model not in self.routes:
            raise ModelNotFound(model)
        return self.routes[model]

    def version(self, model: str, version: str) -> ModelVersion:
        if version not in {"1", "2", "3"}:
            raise ModelVersionNotFound(model, version)
        record = version_record(model, version, b"graph", signature("FP32", [-1]))
        return replace(record, bundle={"batching": {"weight": self.weights.get(model, 1)}})


class OneProcess(KnownModels):
    """Versions behind a server of which so many processes fit a machine."""

    processes = 1

    def version(self, model: str, version: str) -> ModelVersion:
        runtime = {"kind": "http", "server": "lmi", "processes": self.processes}
        return replace(super().version(model, version), bundle={"runtime": runtime})


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)
