"""An example behind the API on loopback, for the hub's own client, unmodified."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx
from huggingface_hub import InferenceClient
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Posted

from serval.access.admission import Admission, Authenticator
from serval.bundles.onnx_signature import read_signature
from serval.http.infer import InferEndpoint
from serval.inference.loaded import LoadedVersions
from serval.inference.run import Inference
from serval.inference.runtimes.onnx import graph_opening
from serval.models.metrics import InferenceMetrics
from serval.models.route import Route
from serval.models.version import BundleFile, ModelVersion
from serval_cli.local.server import HOST
from tests.fakes.http_servers import running
from tests.fakes.inference import ROOMY, Clock, InMemoryEdge, task_event, version_record
from tests.unit.example_models.task_examples import TaskExample

KEY = "srv_good"


@dataclass
class FolderEdge(InMemoryEdge):
    """An edge whose versions' files lie in a folder."""

    folder: Path = field(default_factory=Path)

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        shutil.copy(self.folder / path, destination)


@contextmanager
def called_by_the_hub(example: TaskExample, folder: Path) -> Iterator[InferenceClient]:
    """Serve an example as its first version, and give a client of it; ``folder`` is for loading."""
    model, artifact = example.folder.name, str(example.bundle["artifact"])
    graph = example.folder / artifact
    record = replace(
        version_record(model, "1", graph.read_bytes(), read_signature(onnx.load(graph))),
        artifact=artifact,
        artifact_files=(artifact,),
        files=tuple(
            BundleFile(str(path.relative_to(example.folder)), "", path.stat().st_size)
            for path in example.folder.rglob("*.*")
        ),
        bundle=example.bundle,
    )
    edge, clock = FolderEdge(folder=example.folder), Clock()
    edge.grant(KEY)
    edge.records[model, "1"], edge.routes[model] = record, Route("1")
    loaded = LoadedVersions(edge.version, edge, graph_opening(1769), folder, ROOMY)
    endpoint = InferEndpoint(
        Admission(edge, Authenticator(clock), clock),
        Inference(loaded),
        InferenceMetrics(lambda _: None, clock),
        lambda _: None,
    )

    async def call(request: Request) -> Response:
        headers = {name.replace("-", "_"): value for name, value in request.headers.items()}
        event = task_event(model, await request.body(), **headers)
        del event["headers"]["x-api-key"]  # the client sends its own
        reply = await run_in_threadpool(endpoint.reply, event)
        sent = reply["body"]
        body = base64.b64decode(sent) if reply["isBase64Encoded"] else sent
        return Response(body, reply["statusCode"], reply["headers"])

    with running(Starlette(routes=[Posted("/{path:path}", call, methods=["POST"])])) as port:
        yield InferenceClient(model=f"http://{HOST}:{port}/models/{model}", token=KEY)
