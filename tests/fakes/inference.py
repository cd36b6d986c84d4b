"""Tiny real graphs, and in-memory stand-ins for what ``infer`` reads from AWS."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from serval.access.admission import Admission, Authenticator
from serval.access.api_key import ApiKey, hash_api_key
from serval.errors import ArtifactUnavailable, ModelVersionNotFound
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.http.infer import InferEndpoint
from serval.inference.loaded import Limits, LoadedVersions
from serval.inference.run import Inference
from serval.inference.runtimes.onnx import graph_opening
from serval.models.metrics import InferenceMetrics
from serval.models.route import Route, on_lambda
from serval.models.signature import Signature, TensorSpec
from serval.models.version import BundleFile, ModelVersion

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BF16": TensorProto.BFLOAT16,
    "BYTES": TensorProto.STRING,
}
ROOMY = Limits(memory_bytes=2**30, disk_bytes=2**30)


def graph(
    inputs: Sequence[tuple[str, int, Sequence[Any]]],
    outputs: Sequence[tuple[str, int, Sequence[Any]]],
    nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto] = (),
) -> bytes:
    """Give the bytes of a model."""
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "graph",
        [value(*spec) for spec in inputs],
        [value(*spec) for spec in outputs],
        list(initializers),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    return bytes(model.SerializeToString())


def identity(datatype: str, shape: Sequence[Any]) -> bytes:
    """Give a model that answers its input ``x`` as ``y``."""
    kind = ONNX_TYPES[datatype]
    return graph(
        [("x", kind, shape)], [("y", kind, shape)], [helper.make_node("Identity", ["x"], ["y"])]
    )


def plus(number: float) -> bytes:
    """Give a model that adds a number to ``x``, FP32 of shape [-1, 2]."""
    addend = helper.make_tensor("addend", TensorProto.FLOAT, [1], [number])
    shape = ["rows", 2]
    return graph(
        [("x", TensorProto.FLOAT, shape)],
        [("y", TensorProto.FLOAT, shape)],
        [helper.make_node("Add", ["x", "addend"], ["y"])],
        [addend],
    )


def signature(datatype: str, shape: Sequence[int]) -> Signature:
    """Give the signature of a model with one input ``x`` and one output ``y``."""
    return Signature(
        (TensorSpec("x", datatype, tuple(shape)),), (TensorSpec("y", datatype, tuple(shape)),)
    )


TWO_COLUMNS = signature("FP32", [-1, 2])


def version_record(model: str, version: str, artifact: bytes, sign: Signature) -> ModelVersion:
    """Give the registry's record of an artifact."""
    digest = hashlib.sha256(artifact).hexdigest()
    return ModelVersion(
        model=model,
        version=version,
        digest=digest,
        created="2026-01-01T00:00:00.000Z",
        artifact="model.onnx",
        artifact_files=("model.onnx",),
        files=(BundleFile("model.onnx", digest, len(artifact)),),
        signature=sign,
    )


def handler_record(model: str, code: bytes, **more: Any) -> ModelVersion:
    """Give the registry's record of version 1, whose artifact is ``handler.py``."""
    record = version_record(model, "1", code, HANDLER_SIGNATURE)
    return replace(
        record,
        artifact="handler.py",
        artifact_files=("handler.py",),
        files=(BundleFile("handler.py", record.digest, len(code)),),
        runtime="python",
        **more,
    )


@dataclass
class InMemoryEdge:
    """Keys, routes, versions and artifacts, with what was asked for counted."""

    keys: dict[str, ApiKey] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    records: dict[tuple[str, str], ModelVersion] = field(default_factory=dict)
    artifacts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    task_files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    """What lies beside the artifacts of models with a task."""
    silent: bool = False
    """The artifacts' store does not answer."""
    reads: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    """Models whose route was asked for."""

    def publish(self, model: str, version: str, artifact: bytes, sign: Signature) -> None:
        """Make a version the stable one."""
        self.records[model, version] = version_record(model, version, artifact, sign)
        self.artifacts[model, version] = artifact
        self.routes[model] = Route(version)

    def publish_handler(self, model: str, code: bytes, **more: Any) -> None:
        """Make version 1 of a model whose artifact is ``handler.py``."""
        self.publish(model, "1", code, HANDLER_SIGNATURE)
        self.records[model, "1"] = handler_record(model, code, **more)

    def publish_task(
        self,
        model: str,
        artifact: bytes,
        sign: Signature,
        task: dict[str, Any],
        **files: bytes,
    ) -> None:
        """Make version 1 of a model with a task; the names of its files have no suffix."""
        record = version_record(model, "1", artifact, sign)
        named = {f"{name}.json": content for name, content in files.items()}
        beside = [BundleFile(name, "", len(content)) for name, content in named.items()]
        self.records[model, "1"] = replace(
            record, files=(*record.files, *beside), bundle={"task": task}
        )
        self.artifacts[model, "1"] = artifact
        self.task_files |= {(model, "1", name): content for name, content in named.items()}
        self.routes[model] = Route("1")

    def grant(self, text: str, *models: str) -> None:
        """Make an API key good for models."""
        self.keys[hash_api_key(text)] = ApiKey.describe(text, "test", models or ("*",), "2026")

    def key_and_route(self, key_hash: str, model: str) -> tuple[ApiKey | None, Route | None]:
        self.reads.append("key and route")
        self.asked.add(model)
        return self.keys.get(key_hash), self.routes.get(model)

    def route(self, model: str) -> Route | None:
        self.reads.append("route")
        self.asked.add(model)
        return self.routes.get(model)

    def version(self, model: str, version: str) -> ModelVersion:
        self.reads.append("version")
        if (model, version) not in self.records:
            raise ModelVersionNotFound(model, version)
        return self.records[model, version]

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        self.reads.append("artifact")
        if self.silent:
            raise ArtifactUnavailable(record.model, record.version, f"{path} did not answer")
        artifact = self.task_files.get(
            (record.model, record.version, path),
            self.artifacts.get((record.model, record.version)),
        )
        if artifact is None:
            raise ArtifactUnavailable(record.model, record.version, f"{path} is gone", lost=True)
        destination.write_bytes(artifact)


@dataclass
class Bench:
    """An endpoint over an in-memory edge, with what it printed and a clock to turn."""

    edge: InMemoryEdge
    endpoint: InferEndpoint
    printed: list[str]
    log: list[str]
    clock: "Clock"


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def bench(folder: Path, limits: Limits = ROOMY) -> Bench:
    """Build an endpoint as the composition root does, over an in-memory edge."""
    edge, clock = InMemoryEdge(), Clock()
    printed: list[str] = []
    log: list[str] = []
    metrics = InferenceMetrics(printed.append, clock)
    loaded = LoadedVersions(
        find=on_lambda(edge.version),
        store=edge,
        open_model=graph_opening(1769),
        folder=folder,
        limits=limits,
        count_failed_steps=metrics.count_failed_steps,
    )
    endpoint = InferEndpoint(
        Admission(edge, Authenticator(clock), clock),
        Inference(loaded),
        metrics,
        log.append,
    )
    return Bench(edge, endpoint, printed, log, clock)


def task_event(
    model: str, body: str | bytes, *, version: str | None = None, **headers: str
) -> dict[str, Any]:
    """Give an event for a model's task; bytes come in base64, as from the gateway."""
    is_base64 = isinstance(body, bytes)
    text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    made = event(model, text, version=version, is_base64=is_base64, **headers)
    path = made["rawPath"].removeprefix("/v2").removesuffix("/infer")
    made["requestContext"]["http"]["path"] = path
    return made | {"rawPath": path}


def event(
    model: str,
    body: str | None,
    *,
    version: str | None = None,
    is_base64: bool = False,
    request_id: str = "request-1",
    **headers: str,
) -> dict[str, Any]:
    """Give an event of API Gateway, payload format 2.0, with a good key."""
    path = f"/v2/models/{model}" + (f"/versions/{version}" if version else "") + "/infer"
    parameters = {"model": model} | ({"version": version} if version else {})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {"x-api-key": "srv_good", **named},
        "pathParameters": parameters,
        "requestContext": {
            "requestId": request_id,
            "stage": "$default",
            "http": {"method": "POST", "path": path},
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


def document(data: Any = (1, 2), **members: Any) -> str:
    """Make the body of a request with one row of two columns."""
    item = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": data}
    return json.dumps({"inputs": [item]} | members)


def answer(reply: dict[str, Any]) -> dict[str, Any]:
    """Read a reply that must be an answer."""
    assert reply["statusCode"] == 200, reply
    return dict(json.loads(reply["body"]))


def refusal(reply: dict[str, Any], status: int) -> str:
    """Read the message of a reply that must refuse with a status."""
    assert reply["statusCode"] == status, reply
    assert reply["headers"] == {"content-type": "application/json", "x-request-id": "request-1"}
    body = json.loads(reply["body"])
    assert body.keys() == {"error"}
    return str(body["error"])
