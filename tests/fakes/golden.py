"""A bucket in memory behind the golden check, and candidates that go wrong in every way."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from serval.bundles.onnx_signature import read_signature
from serval.errors import ArtifactUnavailable
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.inference.loaded import Limits
from serval.inference.runtimes import Model
from serval.inference.runtimes.onnx import graph_opening
from serval.models.version import BundleFile, Form, ModelVersion
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.memory import MemoryMeter
from serval.rollouts.steps.golden_check import GoldenCheck
from tests.fakes.inference import ROOMY, graph

UPLOAD = "20261121T101500Z-1a2b3c"
CPU_CLASS = "x86_64-avx2"
MIB = 2**20


@dataclass
class Ticking:
    """A clock on which everything takes the same time."""

    tick: float = 0.05
    seconds: float = 0.0

    def __call__(self) -> float:
        self.seconds += self.tick
        return self.seconds


@dataclass
class Resident:
    """A process whose peak grows whenever somebody looks."""

    mib: list[float] = field(default_factory=lambda: [100.0])
    forgotten: int = 0

    def peak(self) -> float:
        return self.mib.pop(0) if len(self.mib) > 1 else self.mib[0]

    def forget(self) -> None:
        self.forgotten += 1


@dataclass
class Bucket:
    """Objects by key and version id; None: the only version."""

    objects: dict[tuple[str, str | None], bytes] = field(default_factory=dict)

    def store_of(self, candidate: Candidate) -> "Store":
        return Store(self.objects, candidate)


@dataclass
class Store:
    """``ArtifactStore`` of one candidate; what is not as it was verified is lost."""

    objects: Mapping[tuple[str, str | None], bytes]
    candidate: Candidate

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        body = self.objects.get(self.candidate.locate(record, path))
        if body is None or hashlib.sha256(body).hexdigest() != record.file(path).sha256:
            raise ArtifactUnavailable(record.model, record.version, f"{path} is gone", lost=True)
        destination.write_bytes(body)


@dataclass
class Bench:
    """A golden check over an in-memory bucket."""

    folder: Path
    bucket: Bucket = field(default_factory=Bucket)
    clock: Ticking = field(default_factory=Ticking)
    resident: Resident = field(default_factory=Resident)
    limits: Limits = ROOMY
    log: list[str] = field(default_factory=list)
    open_handler: Callable[[ModelVersion, Path], Model] | None = None

    @property
    def check(self) -> GoldenCheck:
        """Build it as the composition root does."""
        return GoldenCheck(
            store_of=self.bucket.store_of,
            open_model=graph_opening(1769),
            limits=self.limits,
            memory=MemoryMeter(1769, self.resident.peak, self.resident.forget),
            cpu_class=CPU_CLASS,
            clock=self.clock,
            work_folder=self.folder,
            log=self.log.append,
            open_handler=self.open_handler,
        )

    def event(
        self,
        artifact: bytes,
        golden: bytes | None = None,
        forms: Mapping[str, tuple[str | None, bytes]] | None = None,
        fleet: Mapping[str, str] | None = None,
        **bundle: Any,
    ) -> dict[str, Any]:
        """Put a candidate into the bucket and give the input of the step."""
        bodies = {"model.onnx": artifact} | ({"golden.jsonl": golden} if golden is not None else {})
        prefix = f"incoming/iris/{UPLOAD}/"
        for path, body in bodies.items():
            self.bucket.objects[prefix + path, "v1"] = body
        files = [described(path, body) for path, body in bodies.items()]
        return {
            "upload": {
                "model": "iris",
                "rollout": UPLOAD,
                "files": [
                    file | {"key": prefix + file["path"], "version_id": "v1"} for file in files
                ],
            },
            "verified": {
                "files": files,
                "artifact": "model.onnx",
                "artifact_files": ["model.onnx"],
                "fleet": fleet,
                "signature": read_signature(onnx.load_from_string(artifact)).to_json(),
                "bundle": {
                    "name": "iris",
                    "golden": None if golden is None else "golden.jsonl",
                    "golden_tolerance": 1e-4,
                    "batching": {"max_batch_size": 8},
                    **bundle,
                },
            },
            "forms": [self._stage(name, *form) for name, form in (forms or {}).items()],
        }

    def handler_event(
        self, code: bytes, golden: bytes | None, fleet: Mapping[str, str] | None
    ) -> dict[str, Any]:
        """Put a handler into the bucket and give the input of the step."""
        event = self.event(unary("Neg"), golden, fleet=fleet, runtime={"kind": "python"})
        for file in (event["upload"]["files"][0], event["verified"]["files"][0]):
            file |= described("handler.py", code)
        event["upload"]["files"][0]["key"] = key = f"incoming/iris/{UPLOAD}/handler.py"
        self.bucket.objects[key, "v1"] = code
        paths = [file["path"] for file in event["verified"]["files"]]
        sign = HANDLER_SIGNATURE.to_json()
        event["verified"] |= {
            "artifact": "handler.py",
            "artifact_files": paths,
            "signature": sign,
        }
        return event

    def swap(self, event: dict[str, Any], path: str, body: bytes) -> None:
        """Put other bytes in the place of a published file, as if they had been verified."""
        self.bucket.objects[f"incoming/iris/{UPLOAD}/{path}", "v1"] = body
        files = event["verified"]["files"]
        files[:] = [described(path, body) if file["path"] == path else file for file in files]

    def _stage(self, name: str, cpu_class: str | None, artifact: bytes) -> dict[str, Any]:
        path = f"optimised/{name}/model.onnx"
        self.bucket.objects[f"staging/iris/{UPLOAD}/{path}", None] = artifact
        file = BundleFile(**described(path, artifact))
        return Form(name, cpu_class, path, (file,)).to_json()

    def outcome(self, artifact: bytes, golden: bytes | None = None, **rest: Any) -> dict[str, Any]:
        """Check a candidate."""
        return self.check.check(self.event(artifact, golden, **rest))


def described(path: str, body: bytes) -> dict[str, Any]:
    """Describe a file as the steps of a rollout do."""
    digest = hashlib.sha256(body).hexdigest()
    return {"path": path, "sha256": digest, "size_bytes": len(body)}


def tensor(name: str, datatype: str, shape: Sequence[int], data: Sequence[Any]) -> dict[str, Any]:
    """Give a V2 tensor."""
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": list(data)}


def line(inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> bytes:
    """Give a line of golden.jsonl."""
    pair = {"request": {"inputs": inputs}, "response": {"outputs": outputs}}
    return json.dumps(pair).encode() + b"\n"


def rows(data: Sequence[float], expected: Sequence[Any]) -> bytes:
    """Give a line for a model that maps ``x`` of shape [-1, 2] to ``y`` of the same shape."""
    shape = [len(data) // 2, 2]
    return line([tensor("x", "FP32", shape, data)], [tensor("y", "FP32", shape, expected)])


def unary(*operators: str) -> bytes:
    """Give a model that applies operators to ``x``, FP32 of shape [-1, 2], one after another."""
    names = ["x", *(f"t{index}" for index in range(1, len(operators))), "y"]
    nodes = [
        helper.make_node(operator, [given], [made])
        for operator, given, made in zip(operators, names, names[1:], strict=False)
    ]
    shape = ["rows", 2]
    return graph([("x", TensorProto.FLOAT, shape)], [("y", TensorProto.FLOAT, shape)], nodes)


def looking_up(*table: float) -> bytes:
    """Give a model that looks each ``x`` up in a table: a row beyond it fails inside the model."""
    values = helper.make_tensor("table", TensorProto.FLOAT, [len(table)], table)
    shape = ["rows", 2]
    return graph(
        [("x", TensorProto.FLOAT, shape)],
        [("y", TensorProto.FLOAT, shape)],
        [
            helper.make_node("Cast", ["x"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["y"]),
        ],
        [values],
    )


def classifying() -> bytes:
    """Give a model with a label, INT64 of shape [-1], and its scores, FP32 of shape [-1, 2]."""
    return graph(
        [("x", TensorProto.FLOAT, ["rows", 2])],
        [("label", TensorProto.INT64, ["rows"]), ("scores", TensorProto.FLOAT, ["rows", 2])],
        [
            helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
            helper.make_node("Softmax", ["x"], ["scores"], axis=1),
        ],
    )


def reshaping(width: int) -> bytes:
    """Give a model that can make ``y`` of ``x`` only if that fills rows of a width."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [-1, width])
    return graph(
        [("x", TensorProto.FLOAT, ["rows", 2])],
        [("y", TensorProto.FLOAT, ["more", width])],
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [shape],
    )


GOOD = rows([1.0, 2.0], [2.0, 3.0]) + rows([0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0])
"""Requests that ``plus(1)`` answers as they say."""


def passed(outcome: dict[str, Any]) -> dict[str, Any]:
    """Read the report of a check that must have passed."""
    assert outcome["outcome"] == "passed", outcome
    json.dumps(outcome, allow_nan=False)
    report: dict[str, Any] = outcome["golden"]
    return report
