"""The endpoints of async requests over memory, and callers and workers to go with them."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from serval.access.admission import Admission, Authenticator, SubmitLimit
from serval.access.api_key import ApiKey, hash_api_key
from serval.clock import timestamp
from serval.errors import RateLimited
from serval.http.call import Reply
from serval.http.events import RequestEvents
from serval.http.requests import RequestsEndpoint
from serval.http.submit import SubmitEndpoint
from serval.http.wait import WaitEndpoint
from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from serval.models.task_signature import task_signature
from serval.requests import lifecycle
from serval.requests.access import RequestAccess
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.ids import row_id
from serval.requests.list_requests import ListRequests
from serval.requests.request import AsyncRequest, response_key, upload_key
from serval.requests.retry import Retry
from serval.requests.stream.follow import Follow
from serval.requests.submit.checks import SubmissionChecks
from serval.requests.submit.submission import CallbackUrls
from serval.requests.submit.submit import Submit
from serval.requests.submit.uploads import RequestUploads
from serval.requests.wait import UnlimitedPlaces, Wait, WaitingPlaces
from tests.fakes.handlers import recorded
from tests.fakes.inference import Clock, InMemoryEdge
from tests.fakes.requests import (
    FLEETS,
    InMemoryPayloads,
    InMemoryQueue,
    InMemoryRequests,
    InMemoryStepRecords,
    TickingClock,
)
from tests.fakes.streams import InMemoryStreams

KEY = "srv_c2VydmFsLWV4YW1wbGUta2V5LW9mLTI1Ni1iaXRzLS0"
HOST = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
PROMPT = "Iris is a "
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "STAGE": "prod",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "FLEETS": "{}",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "WAITING_PLACES": "40",
    "DATA_BUCKET": "data",
}
"""Of the functions that take requests."""
TEXTGEN = Signature(
    (TensorSpec("prompt", "UINT8", (-1, -1)),), (TensorSpec("completion", "UINT8", (-1, 64)),)
)
LEASE = lifecycle.timedelta(seconds=60)
LIGHT_UPLOAD_BYTES = 400_000_000


def inference_request(text: str = PROMPT, **members: Any) -> dict[str, Any]:
    data = list(text.encode())
    tensor = {"name": "prompt", "shape": [1, len(data)], "datatype": "UINT8", "data": data}
    return {"inputs": [tensor], **members}


ASKED = {"model": "textgen", "request": inference_request()}
"""The body of a submit."""


def binary_request(text: str = PROMPT) -> tuple[bytes, int]:
    """Give a body with a binary tensor, and the length of its JSON part."""
    raw = text.encode()
    tensor = {
        "name": "prompt",
        "shape": [1, len(raw)],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + raw, len(head)


def bodies_request(*bodies: bytes) -> tuple[bytes, int]:
    """Give a request of bodies for a handler, as a binary tensor, and the length of its JSON."""
    raw = b"".join(len(one).to_bytes(4, "little") + one for one in bodies)
    tensor = {"name": "body", "datatype": "BYTES", "shape": [len(bodies)]}
    sized = tensor | {"parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [sized]}).encode()
    return head + raw, len(head)


@dataclass
class CountingLimits:
    """``RateCounter`` of a minute that never ends."""

    taken: dict[str, int] = field(default_factory=dict)

    def take(self, key_hash: str, limit: int) -> None:
        if self.taken.get(key_hash, 0) >= limit:
            raise RateLimited(limit, 42, "submit {} async requests")
        self.taken[key_hash] = self.taken.get(key_hash, 0) + 1


@dataclass
class RecordedCalls:
    """``Waker`` and ``CallbackQueue``: what was asked for, in order."""

    asked: list[str] = field(default_factory=list)

    def wake(self, fleet: str) -> None:
        self.asked.append(fleet)

    def send(self, request_id: str, submitter: str | None = None) -> None:
        self.asked.append(request_id)


@dataclass
class SteppingTime:
    """A clock that stands still but for sleeps, in which others get to work."""

    seconds: float = 0.0
    naps: list[float] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.naps.append(seconds)
        self.meanwhile()


@dataclass
class Bench:
    """A stage with models ``textgen`` on a fleet and ``iris`` on Lambda, and a caller's key."""

    edge: InMemoryEdge = field(default_factory=InMemoryEdge)
    store: InMemoryRequests = field(default_factory=InMemoryRequests)
    queue: InMemoryQueue = field(default_factory=InMemoryQueue)
    payloads: InMemoryPayloads = field(default_factory=InMemoryPayloads)
    records: InMemoryStepRecords = field(default_factory=InMemoryStepRecords)
    streams: InMemoryStreams = field(default_factory=InMemoryStreams)
    places: WaitingPlaces = field(default_factory=UnlimitedPlaces)
    limits: CountingLimits = field(default_factory=CountingLimits)
    woken: RecordedCalls = field(default_factory=RecordedCalls)
    called_back: RecordedCalls = field(default_factory=RecordedCalls)
    clock: TickingClock = field(default_factory=TickingClock)
    time: SteppingTime = field(default_factory=SteppingTime)
    log: list[str] = field(default_factory=list)
    authentication: str = "key"
    local_callbacks: bool = False

    def __post_init__(self) -> None:
        for model in ("textgen", "iris"):
            self.edge.publish(model, "1", b"", TEXTGEN)
        self.grant(KEY)

    def grant(self, text: str, *models: str, rate: int = 600) -> None:
        """Make an API key good for models."""
        self.edge.keys[hash_api_key(text)] = ApiKey.describe(
            text, "test", models or ("*",), "2026", rate
        )

    def publish(self, version: str, signature: Signature = TEXTGEN, **declared: int) -> None:
        """Record a version of textgen beside the stable one."""
        self.edge.publish("textgen", version, b"", signature)
        record = self.edge.records["textgen", version]
        object.__setattr__(record, "bundle", {"requests": declared})
        self.edge.routes["textgen"] = Route("1")

    def publish_writer(self) -> None:
        """Have textgen write text, as its task."""
        self.edge.publish("textgen", "1", b"", task_signature("text-generation"))
        record = self.edge.records["textgen", "1"]
        object.__setattr__(record, "bundle", {"task": {"name": "text-generation"}})

    def publish_vision(self) -> None:
        """Have another fleet model, of the same signature."""
        self.edge.publish("vision", "1", b"", TEXTGEN)

    @property
    def admission(self) -> Admission:
        keys = Authenticator(Clock()) if self.authentication == "key" else None
        return Admission(self.edge, keys, Clock())

    @property
    def access(self) -> RequestAccess:
        return RequestAccess(self.store, lambda: [*FLEETS.models, "iris"])

    @property
    def submitting(self) -> Submit:
        checks = SubmissionChecks(FLEETS, self.edge.version, light_upload_bytes=LIGHT_UPLOAD_BYTES)
        return Submit(checks, self.store, self.payloads, self.queue, self.woken, self.clock)

    @property
    def waiting(self) -> Wait:
        return Wait(self.store, self.time, self.time.sleep)

    @property
    def submit(self) -> SubmitEndpoint:
        making = self.submitting
        return SubmitEndpoint(
            admission=self.admission,
            access=self.access,
            rate_limit=SubmitLimit(self.limits),
            callback_urls=CallbackUrls(self.local_callbacks),
            submit=making,
            retry=Retry(self.store, self.payloads, making.announce, self.clock),
            uploads=RequestUploads(making.checks, self.payloads, self.clock),
            wait=self.waiting,
            documents=Documents(self.payloads, self.records),
            log=self.log.append,
        )

    @property
    def wait(self) -> WaitEndpoint:
        return WaitEndpoint(
            admission=self.admission,
            rate_limit=SubmitLimit(self.limits),
            submit=self.submitting,
            wait=self.waiting,
            payloads=self.payloads,
            log=self.log.append,
            clock=self.time,
        )

    @property
    def requests(self) -> RequestsEndpoint:
        return RequestsEndpoint(
            admission=self.admission,
            access=self.access,
            list_requests=ListRequests(self.store, self.access.models),
            cancel=Cancel(self.store, self.called_back, self.records, self.clock),
            documents=Documents(self.payloads, self.records),
            events=self.events,
            log=self.log.append,
        )

    @property
    def events(self) -> RequestEvents:
        return RequestEvents(
            admission=self.admission,
            access=self.access,
            follow=Follow(self.streams, self.store, self.time, self.time.sleep),
            cancel=Cancel(self.store, self.called_back, self.records, self.clock),
            places=self.places,
        )

    @property
    def row(self) -> AsyncRequest:
        """Give the only row."""
        (row,) = self.store.rows.values()
        return row

    def upload(self, name: str, body: bytes, key: str = KEY, model: str = "textgen") -> None:
        """Do what a client does with the URL of an upload."""
        self.payloads.put(upload_key(row_id(model, name), hash_api_key(key)), body)

    def find(self, name: str) -> AsyncRequest:
        """Give the only row of an id, its own or the one that its caller chose."""
        (row,) = (row for row in self.store.rows.values() if name in (row.id, row.name))
        return row

    def change(self, name: str, after: AsyncRequest) -> AsyncRequest:
        assert self.store.save(self.find(name), after)
        return self.find(name)

    def begin(self, request_id: str) -> AsyncRequest:
        row = self.find(request_id)
        return self.change(request_id, lifecycle.begin(row, "worker-1", self.clock(), LEASE))

    def succeed(
        self, request_id: str, result: bytes, header_length: int | None = None
    ) -> AsyncRequest:
        """Do what a worker does with a request."""
        row = self.begin(request_id)
        key = response_key(row.id, row.attempt)
        self.payloads.put(key, result)
        after = lifecycle.succeed(row, "1", key, len(result), header_length, self.clock())
        return self.change(request_id, after)

    def fail(self, request_id: str, reason: str, *, refused: bool = False) -> AsyncRequest:
        row = self.begin(request_id)
        return self.change(request_id, lifecycle.fail(row, reason, self.clock(), refused=refused))

    def answer_all(self, result: bytes) -> None:
        """Do all that is queued."""
        for row in list(self.store.rows.values()):
            if row.status == "queued":
                self.succeed(row.id, result)


def result(text: str = "flower", model: str = "textgen") -> bytes:
    """Give a stored JSON result."""
    data = list(text.encode())
    output = {"name": "completion", "datatype": "UINT8", "shape": [1, len(data)], "data": data}
    document = {"model_name": model, "model_version": "1", "outputs": [output]}
    return json.dumps(document, separators=(",", ":")).encode()


def binary_result(text: str = "flower") -> tuple[bytes, int]:
    """Give a stored result with a binary tensor, and the length of its JSON part."""
    raw = np.frombuffer(text.encode(), np.uint8).tobytes()
    output = {
        "name": "completion",
        "datatype": "UINT8",
        "shape": [1, len(raw)],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"model_name": "textgen", "model_version": "1", "outputs": [output]})
    return head.encode() + raw, len(head)


def call(
    event: str,
    path: str | None = None,
    body: Any = None,
    *,
    key: str | None = KEY,
    query: str = "",
    **headers: str,
) -> dict[str, Any]:
    """Give a recorded event with another path, body (bytes: base64), key, query or headers."""
    given = recorded(event)
    given["headers"] = {name: value for name, value in given["headers"].items() if name != "prefer"}
    del given["headers"]["authorization"]
    if key is not None:
        given["headers"]["x-api-key"] = key
    given["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    if query:
        given["rawQueryString"] = query
        given["queryStringParameters"] = dict(parse_qsl(query))
    if path is not None:
        given["rawPath"] = given["requestContext"]["http"]["path"] = path
    if isinstance(body, bytes):
        given["body"], given["isBase64Encoded"] = base64.b64encode(body).decode(), True
    elif body is not None:
        given["body"] = body if isinstance(body, str) else json.dumps(body)
    return given


def put(request_id: str, body: Any, **more: Any) -> dict[str, Any]:
    return call("submit_put", f"/async/requests/{request_id}", body, **more)


def answered(reply: Reply, status: int) -> dict[str, Any]:
    """Give the document of a reply; what no reply may break is checked here."""
    assert reply["statusCode"] == status, reply
    assert reply["headers"]["content-type"] == "application/json"
    assert reply["isBase64Encoded"] is False
    document: dict[str, Any] = json.loads(reply["body"])
    if status >= 400:
        assert list(document) == ["error"]
    return document


def refusal(reply: Reply, status: int) -> str:
    return str(answered(reply, status)["error"])


def at(bench: Bench) -> str:
    """Give the time of the last look at the clock."""
    return timestamp(bench.clock.now)
