"""Buckets, the jobs table and a model in memory; the steps as the state machine calls them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from serval.batch.assemble.assemble import Assemble
from serval.batch.assemble.finish import FinishJob
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address
from serval.batch.job.layout import RangeItem, ShardItem
from serval.batch.job.lifecycle import JobStopped
from serval.batch.plan.cut import Cut, Scan
from serval.batch.plan.plan import Plan
from serval.batch.plan.release import ReleaseShards
from serval.batch.shard.work import ShardWork
from serval.batch.start.accept import Accept
from serval.batch.start.control import Control
from serval.errors import BatchRefused, InvalidInputs, ModelNotFound, ModelVersionNotFound
from serval.inference.loaded import Loaded
from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from tests.fakes.inference import version_record
from tests.fakes.jobs import InMemoryJobs, RecordedExecutions
from tests.fakes.objects import InMemoryObjects
from tests.fakes.registration import Crash, Crashes
from tests.fakes.requests import START

DATA = "data-bucket"
X = TensorSpec("x", "FP32", (-1, 2))
OUTPUTS = (TensorSpec("total", "FP32", (-1,)), TensorSpec("twice", "INT64", (-1, 2)))
ADDING = Signature((X,), OUTPUTS)
JOBS_ENVIRONMENT = {"JOBS_TABLE": "jobs"}
"""Of the functions that end jobs."""
SIXTY_ROWS = b"x_0,x_1\n" + b"".join(b"%d,1\n" % number for number in range(60))
TRIES = 4
"""Of the state machine, for a step that died."""


@dataclass
class Adding:
    """A model that adds up a row; it refuses runs with a negative number in them."""

    runs: list[int] = field(default_factory=list)

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        array = inputs[0].array
        self.runs.append(len(array))
        if (array < 0).any():
            raise InvalidInputs("negative")
        found = {"total": array.sum(axis=1), "twice": np.nan_to_num(array * 2).astype(np.int64)}
        return [Tensor(spec.name, spec.datatype, found[spec.name]) for spec in outputs]


@dataclass
class InMemoryVersions:
    """The registry's reads."""

    routes: dict[str, Route] = field(default_factory=dict)
    records: dict[tuple[str, str], ModelVersion] = field(default_factory=dict)

    def publish(self, record: ModelVersion) -> None:
        self.records[record.model, record.version] = record
        self.routes[record.model] = Route(record.version)

    def route(self, model: str) -> Route:
        if model not in self.routes:
            raise ModelNotFound(model)
        return self.routes[model]

    def version(self, model: str, version: str) -> ModelVersion:
        if (model, version) not in self.records:
            raise ModelVersionNotFound(model, version)
        return self.records[model, version]


@dataclass
class Ticker:
    """A clock and a timer that go on by a step at each look."""

    now: datetime = START
    step: float = 0.01

    def clock(self) -> datetime:
        self.now += timedelta(seconds=self.step)
        return self.now

    def timer(self) -> float:
        self.now += timedelta(seconds=self.step)
        return (self.now - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()


class StepDied(Exception):
    """A step died more often than the state machine tries."""


class BatchStage:
    """A stage in memory, and a user who uploads."""

    def __init__(
        self,
        signature: Signature = ADDING,
        model: Any = None,
        measurements: Mapping[str, Any] | None = None,
        bundle: Mapping[str, Any] | None = None,
        blocks_per_invocation: int | None = None,
        objects: Any = None,
        store: Any = None,
        fleets: Mapping[str, str] | None = None,
        shards_at_once: int = 1000,
        stage: str = "prod",
        task: Any = None,
    ) -> None:
        self.task = task
        self.taken_on: list[tuple[str, str]] = []
        """Fleets, and the jobs that they were asked to work on."""
        self.crashes = Crashes()
        in_memory = InMemoryObjects(self.crashes)
        in_memory.buckets |= {name: {} for name in (DATA, "in-bucket", "out-bucket")}
        self.objects = objects or in_memory
        self.store = store or InMemoryJobs(self.crashes)
        self.registry = InMemoryVersions()
        self.model = model or Adding()
        record = version_record("adding", "1", b"graph", signature)
        self.registry.publish(replace(record, measurements=measurements or {}, bundle=bundle or {}))
        self.announced: list[BatchJob] = []
        self.detections: list[Mapping[str, Any]] = []
        """Details of the events that shards sent."""
        self.ticker = Ticker()
        self.executions = RecordedExecutions()
        self.blocks_per_invocation = blocks_per_invocation
        self.sizes: list[int] = []
        """Of every input and output of a step, as JSON, in bytes."""
        clocks: dict[str, Any] = {"clock": self.ticker.clock, "timer": self.ticker.timer}
        announce = self.announced.append
        self.accepting = Accept(
            self.objects, self.store, self.registry, announce, DATA, stage, self.ticker.clock
        )
        release_shards = ReleaseShards(
            self.objects, self.store, announce, fleets or {}, self.take_on, shards_at_once, **clocks
        )
        self.planning = Plan(release_shards, self.registry, 1769, **clocks)
        self.scanning = Scan(self.objects, self.store, self.ticker.timer)
        self.cutting = Cut(release_shards, self.ticker.timer)
        self.work = ShardWork(
            self.objects, self.store, self.load, self.send, "lambda", 1769, 2**29, **clocks
        )
        self.assembly = Assemble(self.objects, self.store, announce, **clocks)
        self.finish_job = FinishJob(self.objects, self.store, announce, self.ticker.clock)
        self.control = Control(
            self.store, self.executions, announce, self.finish_job, self.ticker.clock
        )
        self.before_shard: Callable[[int], None] = lambda index: None

    def send(self, details: Sequence[Mapping[str, Any]]) -> None:
        self.crashes.before("send")
        self.detections += json.loads(json.dumps(details))
        self.crashes.done()

    def take_on(self, fleet: str, job: str) -> None:
        self.crashes.before(f"take on {job}")
        self.taken_on.append((fleet, job))
        self.crashes.done()

    def load(self, model: str, version: str) -> Loaded:
        record = self.registry.version(model, version)
        signature = record.signature
        inputs = {spec.name: spec for spec in signature.inputs}
        outputs = {s.name: s for s in signature.outputs}
        return Loaded(record, self.model, inputs, outputs, 0.0, task=self.task)

    def upload(
        self, name: str, body: bytes, options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Upload an input, with its options before it; give the event."""
        key = f"batch/adding/in/{name}"
        if options is not None:
            text = json.dumps(options).encode()
            self.objects.upload(f"s3://{DATA}/{key}.options.json", text)
        source = self.objects.upload(f"s3://{DATA}/{key}", body)
        return {
            "detail-type": "Object Created",
            "source": "aws.s3",
            "detail": {
                "bucket": {"name": DATA},
                "object": {"key": key, "version-id": source.version_id},
            },
        }

    def run(self, event: Mapping[str, Any], owner: str = "execution") -> BatchJob:
        """Let the state machine run to its end; give the job's row then."""
        accepted = self.step(lambda: self.accepting.accept(event, owner))
        if accepted["outcome"] in ("ignored", "refused"):
            return self.job(accepted["job"]) if "job" in accepted else BatchJob(
                id="", model="", created="", updated="", error=accepted["reason"]
            )  # fmt: skip
        try:
            outcome = self._steps(accepted)
        except (StepDied, JobStopped, BatchRefused) as error:
            outcome = {"error": {"Error": type(error).__name__, "Cause": str(error)}}
        if outcome.get("outcome") != "succeeded":
            event = {"job": accepted["job"], **outcome}
            self.step(lambda: dict(self.finish_job.finish(event)))
        return self.job(accepted["job"])

    def job(self, job_id: str) -> BatchJob:
        found = self.store.find(job_id)
        assert found is not None
        return found

    def _steps(self, accepted: Mapping[str, Any]) -> dict[str, Any]:
        job_id = accepted["job"]
        outcome = self.step(lambda: self.planning.plan(job_id))
        if outcome["outcome"] == "scan":
            for line in self._lines(outcome["ranges"]):
                item = RangeItem.from_json(line)
                self.step(lambda item=item: self.scanning.scan(item))  # type: ignore[misc]
            outcome = self.step(lambda: self.cutting.cut(job_id))
        if outcome["outcome"] == "shards":
            lines = self._lines(outcome["items"])
            assert len(lines) == outcome["count"]
            self._map(lines, outcome["tolerated_failed_percent"])
        elif outcome["outcome"] != "assemble":
            return outcome
        return self.step(lambda: self.assembly.assemble(job_id))

    def _map(self, lines: Sequence[Mapping[str, Any]], tolerated: int) -> None:
        failed = 0
        for line in lines:
            self.before_shard(line["shard"])
            try:
                self._child(line)
            except (StepDied, JobStopped, BatchRefused):
                failed += 1
                if failed * 100 > tolerated * len(lines):
                    raise

    def _child(self, line: Mapping[str, Any]) -> None:
        """Run one child: the shard is called again until it is done."""
        went: dict[str, Any] = {}
        while True:
            resume = went.get("resume")
            went = self.step(
                lambda resume=resume: self.work.run(  # type: ignore[misc]
                    ShardItem.from_json(json.loads(json.dumps(line))),
                    json.loads(json.dumps(resume)),
                    self._remaining(),
                )
            )
            if not went:
                return

    def _remaining(self) -> Callable[[], float]:
        left = self.blocks_per_invocation

        def remaining() -> float:
            nonlocal left
            if left is None:
                return 900.0
            left -= 1
            return 900.0 if left > 0 else 0.0

        return remaining

    def step(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Call a step as the state machine does: again, if it died."""
        for _ in range(TRIES):
            try:
                outcome = call()
            except (Crash, OSError):
                continue
            self.sizes.append(len(json.dumps(outcome)))
            parsed: dict[str, Any] = json.loads(json.dumps(outcome))
            return parsed
        raise StepDied("a step died")

    def _lines(self, place: Mapping[str, str]) -> list[dict[str, Any]]:
        body = self.objects.get(Address(place["bucket"], place["key"]))
        lines = [json.loads(line) for line in (body or b"").splitlines()]
        self.sizes += [len(json.dumps(line)) for line in lines]
        return lines

    def output(self, job: BatchJob, name: str) -> bytes:
        return self.objects.body(f"{job.output}{name}")

    def summary(self, job: BatchJob) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output(job, "summary.json"))
        return found


def scheduled(
    address: str, options: Mapping[str, Any] | None = None, **more: str
) -> dict[str, Any]:
    """Make the event of a schedule over an address."""
    event = {
        "origin": "schedule",
        "model": "adding",
        "name": "nightly",
        "time": "2026-11-21T03:00:00Z",
        "input": address,
        "output": "s3://out-bucket/{date}/",
    }
    return {**event, **more, "options": dict(options or {})}
