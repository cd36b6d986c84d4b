"""Queues that hide messages by a clock, models that do as they are told, and a worker of them."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from serval.errors import ArtifactUnavailable, InvalidInputs, ModelNotFound
from serval.fleets.canaries import Sides
from serval.inference.loaded import Limits, LoadedVersions
from serval.inference.runtimes import RuntimeFailed
from serval.models.deployed_fleets import DeployedFleet
from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import Form, ModelVersion
from serval.requests.request import AsyncRequest
from serval.worker.program.assembly import assemble
from serval.worker.program.machine import NoTask, SpotNotices, TaskProtection
from serval.worker.program.ports import Executors, Ports, WorkerIdentity
from serval.worker.queue.loop import Intervals, Worker
from serval.worker.queue.outcomes import Ended
from tests.fakes.inbox import HandClock, InMemoryInbox, Unanswered
from tests.fakes.inference import InMemoryEdge, signature
from tests.fakes.requests import (
    InMemoryFleetStates,
    InMemoryPayloads,
    InMemoryRequests,
    async_request,
)
from tests.fakes.streams import InMemoryStreams

LEASE = timedelta(seconds=60)
COMPANY_SECONDS = 0.03
"""More than a request waits for company, whatever is known of its model."""
TWO_COLUMNS = signature("FP32", [-1, 2])
FAILS, CRASHES, IS_REFUSED = -1.0, -2.0, -3.0
"""First values of a row that a ``Scripted`` model does not answer."""


class WorkerDied(BaseException):
    """The machine is gone in the middle of something."""


@dataclass
class RecordedCallbacks:
    """``CallbackQueue``: whose callbacks were asked for."""

    sent: list[str] = field(default_factory=list)

    def send(self, request_id: str, submitter: str | None = None) -> None:
        self.sent.append(request_id)


@dataclass
class RecordedProtection:
    """``TaskProtection``: what was asked for, in order."""

    asked: list[str] = field(default_factory=list)

    def protect(self, minutes: int) -> None:
        self.asked.append(f"protect {minutes}")

    def release(self) -> None:
        self.asked.append("release")


@dataclass
class Registry(InMemoryEdge):
    """The registry's reads as a worker makes them."""

    batching: dict[str, Any] = field(default_factory=lambda: {"max_wait_ms": 0})
    fetches_fail: bool = False
    lost: bool = True
    """Fetches fail because files are gone; else because nobody answers."""
    silent: bool = False
    """Nobody answers about versions."""

    def version(self, model: str, version: str) -> ModelVersion:
        if self.silent:
            raise Unanswered("version is not answered")
        return super().version(model, version)

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        if self.fetches_fail:
            raise ArtifactUnavailable(record.model, record.version, "no", lost=self.lost)
        super().fetch(record, path, destination)

    def route(self, model: str) -> Route:  # type: ignore[override]
        if model not in self.routes:
            raise ModelNotFound(model)
        return self.routes[model]

    def add(
        self, model: str, version: str, number: float = 1.0, sign: Signature = TWO_COLUMNS
    ) -> None:
        """Publish a ``Scripted`` model that adds a number, and make it the stable version."""
        self.publish(model, version, str(number).encode(), sign)
        record = self.records[model, version]
        self.records[model, version] = replace(record, bundle={"batching": self.batching})


@dataclass
class Scripted:
    """A model that adds a number to its input ``x``, unless a row's first value says otherwise."""

    number: float
    runs: list[int]
    """Rows of each run, of all models together."""
    during: Callable[[], object] = lambda: None
    """Called in the middle of each run."""
    broken: bool = False
    """It fails, whatever it is given."""
    interrupted: bool = False

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        x = inputs[0].array
        self.runs.append(len(x))
        self.during()
        firsts = set(x.reshape(len(x), -1)[:, 0].tolist()) if x.size else set()
        if self.interrupted:
            raise RuntimeFailed("the run was interrupted")
        if CRASHES in firsts:
            raise WorkerDied
        if FAILS in firsts or self.broken:
            raise RuntimeFailed("this row cannot be run")
        if IS_REFUSED in firsts:
            raise InvalidInputs("this row is refused")
        return [Tensor(spec.name, spec.datatype, x + self.number) for spec in outputs]

    def interrupt(self) -> None:
        self.interrupted = True


class Inline(Executor):
    """Does work where it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class World:
    """Everything that workers share."""

    folder: Path
    clock: HandClock = field(default_factory=HandClock)
    store: InMemoryRequests = field(default_factory=InMemoryRequests)
    payloads: InMemoryPayloads = field(default_factory=InMemoryPayloads)
    streams: InMemoryStreams = field(default_factory=InMemoryStreams)
    callbacks: RecordedCallbacks = field(default_factory=RecordedCallbacks)
    states: InMemoryFleetStates = field(default_factory=InMemoryFleetStates)
    registry: Registry = field(default_factory=Registry)
    task: TaskProtection = field(default_factory=NoTask)
    spot: SpotNotices | None = None
    limits: Limits = field(default_factory=lambda: Limits(2**30, 2**30))
    runs: list[int] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    during: Callable[[], object] = lambda: None
    broken: set[float] = field(default_factory=set)
    """Numbers of the models that fail, whatever they are given."""
    models: Sequence[str] = ("textgen", "resnet")
    paired: tuple[str, ...] = ()
    """Those whose candidates have a queue of their own."""
    poll_seconds: int = 0
    intervals: Intervals = field(
        default_factory=lambda: Intervals(
            beat_seconds=0.02, report_seconds=0.02, notice_seconds=0.02, stop_seconds=5.0
        )
    )
    inbox: InMemoryInbox = field(init=False)

    def __post_init__(self) -> None:
        self.inbox = InMemoryInbox(self.clock)

    def engine(self) -> Executors:
        """Give what workers run by that have threads."""
        made = Executors.of_threads()
        return replace(made, clock=self.clock, monotonic=self.clock.monotonic)

    def submit(self, *ids: str, model: str = "textgen", **members: Any) -> None:
        """Write rows, then send messages, as ``submit`` does."""
        for request_id in ids:
            body = members.get("payload", row_of(1.0))
            row = async_request(
                request_id,
                **{"model": model, "payload": body, "payload_bytes": len(body or b"")} | members,
            )
            self.store.create(row)
            self.inbox.send(model, request_id)

    def row(self, request_id: str) -> AsyncRequest:
        """Give a request's row."""
        return self.store.rows[request_id]

    def result(self, request_id: str) -> Any:
        """Give the data of the first output of a request that has succeeded."""
        row = self.row(request_id)
        assert row.status == "succeeded", (row.status, row.error)
        assert row.response_key is not None
        return json.loads(self.payloads.objects[row.response_key])["outputs"][0]["data"]

    def metrics(self) -> list[dict[str, Any]]:
        """Give the metric documents that were printed, without their directive."""
        printed = [json.loads(line) for line in self.log]
        return [{k: v for k, v in p.items() if k != "_aws"} for p in printed if "_aws" in p]

    def open_model(self, record: ModelVersion, path: Path, form: Form | None) -> Scripted:
        """Open the artifact of a ``Scripted`` model: its number."""
        number = float(path.read_text())
        return Scripted(number, self.runs, lambda: self.during(), number in self.broken)

    def ports(self) -> Ports:
        return Ports(
            inbox=self.inbox,
            store=self.store,
            payloads=self.payloads,
            streams=self.streams,
            callbacks=self.callbacks,
            states=self.states,
            registry=self.registry,
            task=self.task,
            spot=self.spot,
            unanswered=(Unanswered,),
            log=self.log.append,
        )

    def open_versions(self, name: str) -> LoadedVersions:
        """Give what a worker of this name has in memory."""
        return LoadedVersions(
            self.registry.version, self.registry, self.open_model, self.folder / name, self.limits
        )

    def sides(self, name: str) -> Sides:
        """Give what tells a worker of this name which side it is on."""
        fleet = DeployedFleet(name="gpu", models=tuple(self.models), paired=self.paired)
        return Sides(name, fleet, self.registry)

    def stepped(self) -> Executors:
        """Give what a worker without threads works by."""
        inline = Inline()
        return Executors(
            calls=inline,
            beats=inline,
            finishes=inline,
            appends=inline,
            clock=self.clock,
            monotonic=self.clock.monotonic,
            pause=self.clock.pass_seconds,
        )

    def worker(
        self,
        name: str = "w1",
        engine: Executors | None = None,
        loaded: LoadedVersions | None = None,
        sides: Sides | None = None,
    ) -> "Stepped":
        """Start a worker, whose steps a test takes one by one."""
        post = WorkerIdentity(
            worker=name,
            fleet="gpu",
            accelerator="CPU (stands in for nvidia)",
            models=self.models,
            lease=LEASE,
            poll_seconds=self.poll_seconds,
            intervals=self.intervals,
        )
        loaded = loaded or self.open_versions(name)
        if sides is None and self.paired:
            sides = self.sides(name)
        worker = assemble(self.ports(), post, loaded, engine or self.stepped(), sides)
        return Stepped(worker, self.clock)


@dataclass
class Stepped:
    """A worker without its threads."""

    worker: Worker
    clock: HandClock

    def fetch(self, *models: str) -> None:
        """Take messages of models once, as far as there is room."""
        fetch = self.worker.fetch
        for model, track in self.worker.queues:
            wanted = model in (models or self.worker.models) and fetch.takes(model, track)
            if wanted and fetch.room(model) > 0:
                fetch.once(model, track)

    def prepare(self) -> bool:
        """Prepare a batch of the model whose turn it is; False: nobody's turn, or nothing to do."""
        turn = self.worker.schedule.take_turn()
        if turn is None and self.worker.schedule.waiting.models():
            self.clock.pass_seconds(COMPANY_SECONDS)
            turn = self.worker.schedule.take_turn()
        if turn is None:
            return False
        batch = self.worker.prepare.prepare(turn)
        return self.worker.schedule.offer(turn, batch, 0.0) and batch is not None

    def run(self) -> list[Ended]:
        """Run the batch that is first, and end its attempts."""
        batch = self.worker.schedule.await_batch(0)
        if batch is None:
            return []
        ended = self.worker.runner.run(batch)
        self.worker.counts.count_run(ended, self.worker.runner.run_seconds)
        self.worker.schedule.settle(batch.turn, self.worker.runner.run_seconds)
        self.worker.finish.finish(ended)
        self.worker.ready.end()
        return ended

    def work(self) -> int:
        """Fetch, prepare and run as long as there is something to do; gives the batches run."""
        batches = 0
        for _ in range(1000):
            self.fetch()
            prepared, ran = self.prepare(), self.run()
            batches += bool(ran)
            if not prepared and not ran and not self.worker.schedule.waiting.models():
                return batches
        raise AssertionError("the worker never comes to an end")


def row_of(*values: float) -> bytes:
    """Give the body of a request with one row for each value."""
    return json.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "shape": [len(values), 2],
                    "datatype": "FP32",
                    "data": [[value, 0.0] for value in values],
                }
            ]
        }
    ).encode()


def tensor(name: str, array: Any, datatype: str = "FP32") -> Tensor:
    """Give a tensor of nested lists."""
    return Tensor(name, datatype, np.array(array, np.float32))
