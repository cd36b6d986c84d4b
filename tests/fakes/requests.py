"""The requests table, the queues, the data bucket and the fleets' rows, in memory."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import md5

from serval.clock import timestamp
from serval.fleets.state import Capacity, FleetState, WorkerState
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.requests.list_requests import Filters, Position
from serval.requests.ports import StoredPayload
from serval.requests.redrive import DeadLetter
from serval.requests.request import LISTED, AsyncRequest, OpenListing, OpenRequest
from serval.requests.step_records import StepRecord

START = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)
GPU = DeployedFleet(
    name="gpu", kind="spot", accelerator="nvidia", maximum=4, models=("textgen", "resnet")
)
MANAGED = DeployedFleet(name="managed", kind="sagemaker", maximum=2, models=("vision",))
FLEETS = Fleets({"gpu": GPU, "managed": MANAGED})


@dataclass
class TickingClock:
    """Shows a second more at each look, and what a test adds."""

    now: datetime = START
    step: timedelta = timedelta(seconds=1)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class InMemoryRequests:
    """``RequestStore`` with DynamoDB's conditions."""

    rows: dict[str, AsyncRequest] = field(default_factory=dict)
    rival: AsyncRequest | None = None
    """Another writer's row, which lands just before the next ``save``."""
    listed: int = LISTED
    """Queued requests that a listing lists."""

    def create(self, request: AsyncRequest) -> bool:
        if request.id in self.rows:
            return False
        self.rows[request.id] = request
        return True

    def find(self, request_id: str) -> AsyncRequest | None:
        return self.rows.get(request_id)

    def find_all(self, request_ids: Sequence[str]) -> Mapping[str, AsyncRequest]:
        return {one: self.rows[one] for one in request_ids if one in self.rows}

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        if self.rival is not None:
            self.rows[self.rival.id], self.rival = self.rival, None
        current = self.rows.get(before.id)
        if current is None or current.revision != before.revision:
            return False
        self.rows[before.id] = replace(after, revision=before.revision + 1)
        return True

    def open(self) -> Iterator[OpenRequest]:
        for row in list(self.rows.values()):
            if row.open:
                yield OpenRequest(
                    id=row.id,
                    model=row.model,
                    fleet=row.fleet,
                    status=row.status,
                    created=row.created,
                    updated=row.updated,
                    lease_until=row.lease_until,
                )

    def list_open(self) -> OpenListing:
        """List as the table does, but for its parts: there is one."""
        queued = sorted(
            (one for one in self.open() if one.status == "queued"), key=lambda one: one.updated
        )
        running = [one for one in self.open() if one.status == "running"]
        rest = {"queued": {"id": "…"}} if len(queued) > self.listed else {}
        return OpenListing([*running, *queued[: self.listed]], rest)

    def count_unlisted(self, listing: OpenListing, models: Sequence[str]) -> int:
        known = {one.id for one in listing.listed}
        return sum(one.model in models and one.id not in known for one in self.open())

    def callbacks_due(self, before: str) -> Iterator[str]:
        return (
            row.id for row in list(self.rows.values()) if row.callback_due and row.updated < before
        )

    def of_model(self, model: str, limit: int) -> Sequence[AsyncRequest]:
        mine = [
            replace(row, payload=None, chosen=None)
            for row in self.rows.values()
            if row.model == model
        ]
        return sorted(mine, key=lambda row: (row.created, row.id), reverse=True)[:limit]

    def page(
        self, model: str, filters: Filters, after: Position | None, limit: int
    ) -> tuple[Sequence[AsyncRequest], Position | None]:
        rows = [
            row
            for row in self.of_model(model, len(self.rows))
            if filters.status in (None, row.status)
            and row.created >= (filters.since or "")
            and (filters.before is None or row.created < filters.before)
            and (after is None or (row.created, row.id) < (after.created, after.id))
        ]
        page = [replace(row, chosen=None) for row in rows[:limit]]
        more = len(rows) > limit
        return page, Position(page[-1].created, page[-1].id) if more else None


@dataclass
class InMemoryQueue:
    """``RequestQueue``: what was sent, by model."""

    sent: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failing: BaseException | None = None
    """Raised instead of sending."""

    def send(self, model: str, request_id: str) -> None:
        if self.failing is not None:
            raise self.failing
        self.sent[model].append(request_id)

    def send_all(self, model: str, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            self.send(model, request_id)


@dataclass
class InMemoryDeadLetters:
    """``DeadLetters``: what waits, by model, and what is received and hidden from others."""

    waiting: dict[str, list[DeadLetter]] = field(default_factory=lambda: defaultdict(list))
    hidden: list[DeadLetter] = field(default_factory=list)
    failing: BaseException | None = None
    """Raised instead of deleting."""

    def add(self, model: str, request_id: str, reason: str = "") -> None:
        self.waiting[model].append(DeadLetter(request_id, reason, f"receipt of {request_id}"))

    def dead_letters(self, model: str) -> Sequence[DeadLetter]:
        batch, self.waiting[model] = self.waiting[model][:10], self.waiting[model][10:]
        self.hidden += batch
        return batch

    def delete_dead_letter(self, model: str, letter: DeadLetter) -> None:
        if self.failing is not None:
            raise self.failing
        self.hidden.remove(letter)

    def release_dead_letters(self, model: str, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self.hidden.remove(letter)
            self.waiting[model].append(letter)

    def pass_a_minute(self, model: str) -> None:
        """Let what was received and not deleted be seen again."""
        self.release_dead_letters(model, list(self.hidden))


@dataclass
class RecordedWaker:
    """``Waker``: the fleets that were woken, in order."""

    woken: list[str] = field(default_factory=list)

    def wake(self, fleet: str) -> None:
        self.woken.append(fleet)


@dataclass
class InMemoryPayloads:
    """``Payloads`` with the objects as bytes."""

    objects: dict[str, bytes] = field(default_factory=dict)
    renewed: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    """Of objects that are too large to be here."""

    def put(self, key: str, body: bytes) -> None:
        self.objects[key] = bytes(body)

    def get(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def beginning(self, key: str, size_bytes: int) -> bytes:
        return self.objects[key][:size_bytes]

    def find(self, key: str) -> StoredPayload | None:
        if key in self.sizes:
            return StoredPayload(key, self.sizes[key], "large")
        if key not in self.objects:
            return None
        return StoredPayload(key, len(self.objects[key]), md5(self.objects[key]).hexdigest())

    def renew(self, key: str) -> bool:
        self.renewed.append(key)
        return key in self.objects

    def presign_read(self, key: str, header_length: int | None) -> str:
        return f"https://data/{key}?read&header={header_length}"

    def presign_write(self, key: str, size_bytes: int) -> str:
        return f"https://data/{key}?write&size={size_bytes}"


@dataclass
class InMemoryFleetStates:
    """``FleetStates`` with DynamoDB's conditions."""

    states: dict[str, FleetState] = field(default_factory=dict)
    reported: dict[tuple[str, str], WorkerState] = field(default_factory=dict)

    def find(self, fleet: str) -> FleetState:
        return self.states.get(fleet, FleetState(fleet=fleet))

    def save(self, before: FleetState, after: FleetState) -> bool:
        if self.find(before.fleet).revision != before.revision:
            return False
        self.states[before.fleet] = replace(after, revision=before.revision + 1)
        return True

    def workers(self, fleet: str) -> Sequence[WorkerState]:
        return [worker for (name, _), worker in self.reported.items() if name == fleet]

    def report(self, worker: WorkerState) -> None:
        self.reported[worker.fleet, worker.worker] = worker

    def remove(self, fleet: str, worker: str) -> None:
        self.reported.pop((fleet, worker), None)


@dataclass
class RecordedMachines:
    """``Machines``: what was asked for, in order."""

    asked: list[tuple[str, int, Capacity]] = field(default_factory=list)

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        self.asked.append((fleet, machines, capacity))


@dataclass
class InMemoryStepRecords:
    """``StepRecords``, of which those that are done stand."""

    written: dict[str, dict[str, StepRecord]] = field(default_factory=dict)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    """Request, step and status of every write, in order."""

    def read(self, request_id: str) -> Mapping[str, StepRecord]:
        return dict(self.written.get(request_id, {}))

    def write(self, request_id: str, record: StepRecord) -> None:
        known = self.written.setdefault(request_id, {})
        if record.name not in known or not known[record.name].done:
            self.writes.append((request_id, record.name, record.status))
            known[record.name] = StepRecord.from_json(record.to_json())


@dataclass
class RecordedTasks:
    """``WaitingTasks``: the tokens of those that were ended."""

    ended: list[str] = field(default_factory=list)

    def end(self, token: str) -> None:
        self.ended.append(token)


def async_request(request_id: str = "r1", **members: object) -> AsyncRequest:
    """Give a queued request of model ``textgen``."""
    plain = AsyncRequest(
        id=request_id,
        model="textgen",
        fleet="gpu",
        created=timestamp(START),
        updated=timestamp(START),
        body_hash="0" * 64,
        payload=b'{"inputs": []}',
        payload_bytes=14,
    )
    return replace(plain, **members)  # type: ignore[arg-type]
