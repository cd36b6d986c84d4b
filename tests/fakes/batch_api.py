"""The API of batch jobs over memory, and shards to go with them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from serval.access.admission import Admission, Authenticator
from serval.access.api_key import ApiKey, hash_api_key
from serval.batch.assemble.finish import FinishJob
from serval.batch.assemble.results import Results
from serval.batch.job import lifecycle
from serval.batch.job.cost import Estimate
from serval.batch.job.document import JobDocuments
from serval.batch.job.job import BatchJob, ShardRecord, job_attributes, read_job, shard_attributes
from serval.batch.job.lifecycle import JobPlan, JobTotals
from serval.batch.start.caps import Caps
from serval.batch.start.control import Control
from serval.batch.start.job_request import JobRequest
from serval.batch.start.scope import AddressScope, JobAccess
from serval.batch.start.start import StartJob
from serval.clock import timestamp
from serval.errors import BatchRefused
from serval.http.batch import BatchEndpoint
from serval.models.signature import Signature, TensorSpec
from tests.fakes.inference import Clock, InMemoryEdge
from tests.fakes.jobs import InMemoryJobs, RecordedExecutions
from tests.fakes.objects import InMemoryObjects
from tests.fakes.requests import START, TickingClock
from tests.fakes.submission import CountingLimits, answered, call

KEY = "srv_c2VydmFsLWV4YW1wbGUta2V5LW9mLTI1Ni1iaXRzLS0"
OTHER_KEY = "srv_of-digits-alone"
"""Of a caller for whom ``for_two_callers`` makes one."""
INPUT = {"input": "s3://orders/rows.csv"}
DATA_BUCKET = "serval-prod-data"
ALLOWED = "s3://orders/,s3://out/{model}/"
IRIS = Signature(
    (TensorSpec("measurements", "FP32", (-1, 4)),), (TensorSpec("label", "INT64", (-1,)),)
)
MATCHED = (
    {"input": "measurements", "columns": ["length", "width", "height", "depth"], "by": "case"},
)
PLANNED = JobPlan(
    format="csv",
    files=1,
    input_bytes=4000,
    estimated_rows=400,
    exact_rows=False,
    shards=4,
    estimated_seconds=30,
    estimated_microdollars=1200,
    columns=MATCHED,
    plan_ms=900,
)
ESTIMATE = Estimate(
    format="csv",
    files=1,
    input_bytes=4000,
    rows=400,
    exact=False,
    shards=4,
    seconds=30,
    microdollars=1200,
    columns=MATCHED,
)


@dataclass
class CountedJobs(InMemoryJobs):
    """The jobs table, and how often all shards of a job were read."""

    reads: int = 0

    def shards(self, job_id: str) -> Iterator[ShardRecord]:
        self.reads += 1
        return super().shards(job_id)


@dataclass
class StartedOnce(RecordedExecutions):
    """Executions as Step Functions has them: a name that is there is not started again."""

    failing: BaseException | None = None
    """Raised instead of starting."""

    def start(self, name: str, job_id: str) -> None:
        if self.failing is not None:
            raise self.failing
        if (name, job_id) not in self.started:
            super().start(name, job_id)


@dataclass
class Bench:
    """A stage with models ``iris`` and ``digits``, and a caller's key."""

    edge: InMemoryEdge = field(default_factory=InMemoryEdge)
    store: CountedJobs = field(default_factory=CountedJobs)
    executions: StartedOnce = field(default_factory=StartedOnce)
    objects: InMemoryObjects = field(default_factory=InMemoryObjects)
    clock: TickingClock = field(default_factory=TickingClock)
    announced: list[tuple[str, str]] = field(default_factory=list)
    """Each job and its status, as events were sent."""
    previewed: list[tuple[JobRequest, str]] = field(default_factory=list)
    unreadable: str | None = None
    """Why no input can be planned."""
    log: list[str] = field(default_factory=list)
    authentication: str = "key"
    limits: CountingLimits = field(default_factory=CountingLimits)
    per_minute: int = 60
    open_jobs: int = 20

    def __post_init__(self) -> None:
        for model in ("iris", "digits"):
            self.edge.publish(model, "3", b"", IRIS)
        self.grant(KEY)

    def grant(self, text: str, *models: str) -> None:
        """Make an API key good for models."""
        described = ApiKey.describe(text, "test", models or ("*",), "2026")
        self.edge.keys[hash_api_key(text)] = described

    def announce(self, job: BatchJob) -> None:
        self.announced.append((job.id, job.status))

    def preview(self, asked: JobRequest, version: str) -> Estimate:
        if self.unreadable is not None:
            raise BatchRefused(self.unreadable)
        self.previewed.append((asked, version))
        return ESTIMATE

    @property
    def starting(self) -> StartJob:
        reach = AddressScope.from_text(DATA_BUCKET, ALLOWED)
        caps = Caps(
            limits=self.limits,
            store=self.store,
            per_minute=self.per_minute,
            open_jobs=self.open_jobs,
            least_shard_bytes=1_000,
        )
        return StartJob(self.store, self.executions, self.announce, reach, caps, self.clock)

    @property
    def endpoint(self) -> BatchEndpoint:
        keys = Authenticator(Clock()) if self.authentication == "key" else None
        return BatchEndpoint(
            admission=Admission(self.edge, keys, Clock()),
            access=JobAccess(self.store, lambda: sorted(self.edge.routes)),
            start_job=self.starting,
            preview=self.preview,
            cancel=self.control.cancel,
            retry=self.control.retry,
            documents=JobDocuments(self.store, self.clock),
            results=Results(self.objects, self.store, lambda at: f"https://signed/{at.key}"),
            log=self.log.append,
        )

    @property
    def row(self) -> BatchJob:
        """Give the only row."""
        (row,) = self.store.rows.values()
        return read_job(row)

    def put(self, job: BatchJob) -> BatchJob:
        """Have a row in the table, whatever was there before."""
        self.store.rows[job.id] = job_attributes(job)
        return job

    @property
    def control(self) -> Control:
        finish_job = FinishJob(self.objects, self.store, self.announce, self.clock)
        return Control(self.store, self.executions, self.announce, finish_job, self.clock)

    def job(self, job_id: str = "j1", **members: Any) -> BatchJob:
        """Have a job of model ``iris`` in the table."""
        made = BatchJob(
            id=job_id,
            model="iris",
            created=timestamp(START),
            updated=timestamp(START),
            input=("s3://orders/rows.csv",),
            output=f"s3://{DATA_BUCKET}/batch/iris/out/{job_id}/",
        )
        return self.put(replace(made, **members))

    def running(self, job_id: str = "j1", **members: Any) -> BatchJob:
        """Have a job whose shards run."""
        queued = self.job(job_id, version="3", owner="arn:aws:states:execution", **members)
        planning = lifecycle.plan(queued, self.clock())
        return self.put(lifecycle.run(planning, PLANNED, self.clock()))

    def ended(self, job_id: str = "j1", **members: Any) -> BatchJob:
        """Have a job that has ended well, or as ``members`` say it."""
        done = JobTotals(rows=398, rejected=2, shards_done=4, busy_ms=8000, microdollars=1500)
        over = lifecycle.succeed(self.running(job_id), done, self.clock())
        return self.put(replace(over, **members))

    def shard(self, index: int, job_id: str = "j1", **members: Any) -> ShardRecord:
        """Have a shard that has begun."""
        now = timestamp(START)
        record = replace(ShardRecord(job=job_id, index=index, started=now, updated=now), **members)
        self.store.shard_rows[job_id, index] = shard_attributes(record)
        return record


def for_two_callers() -> Bench:
    """Make a stage with a second caller, who may use model ``digits`` alone."""
    bench = Bench()
    bench.grant(OTHER_KEY, "digits")
    return bench


def start(bench: Bench, body: Any = INPUT, model: str = "iris", **more: Any) -> dict[str, Any]:
    """Ask for a job."""
    given = call("batch_start", f"/batch/models/{model}/jobs", body, **more)
    del given["headers"]["idempotency-key"]
    return bench.endpoint.reply(given)


def ask(bench: Bench, event: str, path: str, query: str = "", **more: Any) -> dict[str, Any]:
    """Call a route of jobs that are there."""
    given = call(event, path, **more)
    given["queryStringParameters"] = dict(part.split("=") for part in query.split("&") if part)
    return bench.endpoint.reply(given)


def get(bench: Bench, job_id: str = "j1", **more: Any) -> dict[str, Any]:
    """Read a job."""
    return answered(ask(bench, "batch_get", f"/batch/jobs/{job_id}", **more), 200)
