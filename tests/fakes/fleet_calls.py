"""Callers of a model on a fleet, and the worker that answers them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serval.handlers.declaration import MIB, HandlerLimits
from serval.handlers.opening import HandlerOpening
from serval.http.wait import WaitEndpoint
from serval.inference.runtimes.http_completions import Completions
from serval.inference.runtimes.http_server import Server, ServerDeclaration
from serval.inference.runtimes.onnx import graph_opening
from serval.models.version import Form, ModelVersion
from serval.requests.cancel import Cancel
from serval.requests.stream.follow import Follow
from serval.requests.stream.live import ReadLive
from serval.worker.streams.text import APPEND_SECONDS
from tests.fakes.secrets import InMemorySecrets
from tests.fakes.submission import Bench, call
from tests.fakes.worker import LEASE, Registry, Stepped, World

SPEAKER = b"""
class EndpointHandler:
    def __init__(self, path=""):
        pass

    def __call__(self, data):
        if data == {"inputs": "sing"}:
            return b"RIFF\\0\\0\\0\\0WAVE"
        return {"heard": data if isinstance(data, dict) else str(data)}
"""


@dataclass
class WordsWorld(World):
    """A world whose model ``textgen`` is a graph, a handler, or behind an inference server."""

    port: int = 0
    """Where the inference server is."""

    def open_model(self, record: ModelVersion, path: Path, form: Form | None) -> Any:
        if record.runtime == "http":
            server = Server(ServerDeclaration("openai", self.port, "gpt"))
            return Completions(server, record.signature, 5.0)
        if path.name != "handler.py":
            return graph_opening(1024)(record, path, form)
        limits = HandlerLimits(160 * MIB, 20, 5, MIB)
        opening = HandlerOpening(lambda lock: (), self.log.append, InMemorySecrets(), limits)
        return opening.open(record, path)


@dataclass
class Fleet:
    """Callers of ``textgen``, and a worker that answers while they wait."""

    folder: Path
    registry: Registry = field(default_factory=Registry)
    bench: Bench = field(init=False)
    world: WordsWorld = field(init=False)
    worker: Stepped = field(init=False)

    def __post_init__(self) -> None:
        self.bench = Bench(edge=self.registry)
        self.world = WordsWorld(
            self.folder,
            store=self.bench.store,
            payloads=self.bench.payloads,
            streams=self.bench.streams,
            registry=self.registry,
        )
        self.worker = self.world.worker()
        self.bench.time.meanwhile = self.work

    def work(self) -> int:
        """Give the worker what was sent, and let it work; return how many batches it ran."""
        for model, ids in self.bench.queue.sent.items():
            for request_id in ids:
                self.world.inbox.send(model, request_id)
            ids.clear()
        return self.worker.work()

    def write(self) -> None:
        """Let the worker work, write a piece of each stream, and append it."""
        self.work()
        self.world.clock.pass_seconds(2 * APPEND_SECONDS)
        self.worker.worker.streams.round()

    def replace_worker(self, name: str) -> None:
        """Let another worker take the place of one that dies, once its leases have ended."""
        self.worker = self.world.worker(name)
        self.world.clock.pass_seconds(LEASE.total_seconds() + 60)

    @property
    def live(self) -> WaitEndpoint:
        """Answers in pieces, as the function that streams does."""
        bench = self.bench
        follow = Follow(bench.streams, bench.store, bench.time, bench.time.sleep)
        cancel = Cancel(bench.store, bench.called_back, bench.records, bench.clock)
        return replace(
            bench.wait, live=ReadLive(follow=follow, cancel=cancel, payloads=bench.payloads)
        )

    def post(
        self, body: Any, path: str = "/models/textgen", *, live: bool = False, **headers: str
    ) -> dict[str, Any]:
        """Post as API Gateway brings a call to ``wait``, or ``infer`` hands it on."""
        event = call("wait", path, body, **headers)
        if "/versions/" in path:
            event["pathParameters"] = {"version": path.rpartition("/")[2]}
        return (self.live if live else self.bench.wait).reply(event)
