"""Inference servers of many versions and of one: an answer tells which version has given it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serval.errors import ArtifactUnavailable
from serval.fleets.server_script import server_script
from serval.inference.loaded import Limits, LoadedVersions
from serval.inference.runtimes.onnx import Execution
from serval.models.route import KnownVersions
from serval.models.signature import Signature, TensorSpec
from serval.models.version import BundleFile, ModelVersion
from serval.worker.program.candidate_check import CandidateCheck
from serval.worker.program.open_version import OpenVersion
from serval.worker.program.server_folder import ServerFolder
from serval.worker.program.servers import Servers
from tests.fakes.worker import Stepped, World

PROMPTS = Signature((TensorSpec("prompt", "BYTES", (-1,)),), (TensorSpec("text", "BYTES", (-1,)),))
ONE_MODEL = Path(__file__).with_name("one_model_server.py")
READY_SECONDS = 60.0


@dataclass
class ManyVersions:
    """A server as Triton: it loads what it is told to, from a folder, and is asked by version."""

    folder: Path
    loaded: dict[str, str] = field(default_factory=dict)
    """Name of each loaded model → its text."""
    told: list[str] = field(default_factory=list)
    """What it was told to do, in order."""

    def app(self) -> Starlette:
        """Give the application."""
        one = "/v2/models/{model}/versions/{version}"
        return Starlette(
            routes=[
                Route("/v2/health/live", lambda request: Response()),
                Route("/v2/repository/models/{model}/{act}", self.act, methods=["POST"]),
                Route(one + "/ready", self.ready),
                Route(one + "/infer", self.infer, methods=["POST"]),
            ]
        )

    def act(self, request: Request) -> Response:
        model, act = request.path_params["model"], request.path_params["act"]
        self.told.append(f"{act} {model}")
        if act == "unload":
            self.loaded.pop(model, None)
            return Response()
        [version] = (path for path in (self.folder / model).iterdir() if path.name.isdecimal())
        text = (version / "model.onnx").read_text()
        if text == "no model":
            return JSONResponse(
                {"error": f"failed to load {model!r}, no version is available"}, 400
            )
        self.loaded[model] = text
        return Response()

    def ready(self, request: Request) -> Response:
        return Response(status_code=200 if self._names(request) in self.loaded else 400)

    async def infer(self, request: Request) -> Response:
        name = self._names(request)
        if name not in self.loaded:
            return JSONResponse({"error": f"unknown model {name!r}"}, 400)
        body = await request.body()
        length = int(request.headers["inference-header-content-length"])
        [given] = json.loads(body[:length])["inputs"]
        [rows] = given["shape"]
        text = f"{self.loaded[name]} of {name}"
        output = {"name": "text", "datatype": "BYTES", "shape": [rows], "data": [text] * rows}
        version = request.path_params["version"]
        return JSONResponse({"model_name": name, "model_version": version, "outputs": [output]})

    def _names(self, request: Request) -> str:
        """Give the model's name; it has one version, which is to be asked for."""
        model: str = request.path_params["model"]
        assert model.endswith(f"-{request.path_params['version']}")
        return model


@contextmanager
def processes(folder: Path) -> Iterator["Popen[bytes]"]:
    """Run what starts and ends processes of a server of one version."""
    script = server_script(f"exec {sys.executable} -S -E {ONE_MODEL}", str(folder))
    with Popen(["sh", "-c", script]) as running:
        try:
            yield running
        finally:
            running.terminate()


@dataclass
class Files:
    """The artifacts of versions, and their golden requests."""

    world: World
    golden: bytes = b""

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        if path.endswith(".jsonl"):
            destination.write_bytes(self.golden)
            return
        if (record.model, record.version) not in self.world.registry.artifacts:
            raise ArtifactUnavailable(record.model, record.version, "it is gone", lost=True)
        self.world.registry.fetch(record, path, destination)


def publish(world: World, version: str, text: str, runtime: dict[str, Any], **more: Any) -> None:
    """Publish a version of ``textgen`` that a server runs; it answers with its text."""
    world.registry.publish("textgen", version, text.encode(), PROMPTS)
    record = world.registry.records["textgen", version]
    files = (replace(record.files[0], size_bytes=len(text)), BundleFile("golden.jsonl", "", 1))
    bundle = {"runtime": runtime, "batching": {"max_wait_ms": 0}, **more}
    world.registry.records["textgen", version] = replace(
        record, runtime=runtime["kind"], bundle=bundle, files=files
    )


def worker_beside(
    world: World, folder: Path, files: Files, name: str = "w1", port: int = 0
) -> Stepped:
    """Start a worker beside a server."""
    registry = world.registry
    handed_over = ServerFolder(folder, 2**20)
    servers = Servers(
        KnownVersions(registry, world.clock.monotonic).route,
        files,
        CandidateCheck(files).check,
        handed_over,
        READY_SECONDS,
        port,
    )
    servers.side = (sides := world.sides(name)).of
    opening = OpenVersion(registry.version, Execution(1), servers.open)
    loaded = LoadedVersions(
        opening.find, files, opening.open, folder / name, Limits(2**20, 2**20), tidy=servers.tidy
    )
    handed_over.let_go = loaded.let_go
    return world.worker(name, loaded=loaded, sides=sides)
