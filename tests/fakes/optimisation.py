"""Graphs that are worth optimising, and a bucket that uploads are read from and forms staged in."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from serval.bundles.onnx_signature import read_signature
from serval.bundles.uploads import StoredObject
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.steps.optimise import Optimise
from tests.fakes.inference import graph

CPU_CLASS = "this-cpu"
"""The class of whatever machine the tests run on."""
ROLLOUT = "upload-1"
STAGED = f"staging/m/{ROLLOUT}/optimised/"
FLOAT = TensorProto.FLOAT


def weights(name: str, *shape: int, seed: int = 0) -> onnx.TensorProto:
    """Give seeded weights."""
    random = np.random.default_rng(seed)
    return numpy_helper.from_array(random.standard_normal(shape, np.float32) / 10, name)


def convolving() -> bytes:
    """Give two convolutions, whose weights are laid out in blocks where the CPU has them."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["y"], pads=[1] * 4),
    ]
    shape: list[Any] = ["rows", 64, 8, 8]
    return graph(
        [("image", FLOAT, shape)],
        [("y", FLOAT, shape)],
        nodes,
        [weights("w1", 64, 64, 3, 3), weights("w2", 64, 64, 3, 3, seed=1)],
    )


def multiplying(then: str = "Relu", seed: int = 0) -> bytes:
    """Give a product with a large matrix, and one more operator on it."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node(then, ["a"], ["y"]),
    ]
    return graph(
        [("x", FLOAT, ["rows", 200])],
        [("y", FLOAT, ["rows", 200])],
        nodes,
        [weights("w", 200, 200, seed=seed)],
    )


def looking_up(least: int = 0) -> bytes:
    """Give a look-up in a large table, which no kernel packs; ids are at least a number."""
    return graph(
        [("ids", TensorProto.INT64, ["rows"])],
        [("y", FLOAT, ["rows", 200])],
        [
            helper.make_node("Sub", ["ids", "least"], ["index"]),
            helper.make_node("Gather", ["table", "index"], ["y"]),
        ],
        [weights("table", 200, 200), helper.make_tensor("least", TensorProto.INT64, [1], [least])],
    )


def growing() -> bytes:
    """Give a look-up in one number repeated a million times, which is folded into a table."""
    return graph(
        [("ids", TensorProto.INT64, ["rows"])],
        [("y", FLOAT, ["rows"])],
        [
            helper.make_node("Expand", ["one", "shape"], ["table"]),
            helper.make_node("Gather", ["table", "ids"], ["y"]),
        ],
        [
            helper.make_tensor("one", FLOAT, [1], [1.0]),
            helper.make_tensor("shape", TensorProto.INT64, [1], [1_000_000]),
        ],
    )


def event_of(
    files: Mapping[str, bytes], model: onnx.ModelProto | None = None, **bundle: Any
) -> dict[str, Any]:
    """Give the step's input for an upload whose artifact is ``model.onnx``.

    ``model`` is needed where that cannot be parsed.
    """
    described = [
        {"path": path, "sha256": hashlib.sha256(body).hexdigest(), "size_bytes": len(body)}
        for path, body in files.items()
    ]
    model = model or onnx.load_from_string(files["model.onnx"])
    return {
        "upload": {
            "model": "m",
            "rollout": ROLLOUT,
            "files": [
                {**file, "key": f"incoming/m/{ROLLOUT}/{file['path']}", "version_id": "pinned"}
                for file in described
            ],
        },
        "verified": {
            "files": described,
            "artifact": "model.onnx",
            "artifact_files": [p for p in files if p.startswith("model.onnx")],
            "signature": read_signature(model).to_json(),
            "bundle": {"name": "m", "golden_tolerance": 1e-4} | bundle,
        },
    }


def unpacked(files: Mapping[str, bytes], folder: Path, **bundle: Any) -> Candidate:
    """Write an upload's files into a folder, and give its candidate."""
    for path, body in files.items():
        (folder / path).write_bytes(body)
    return Candidate.from_event({**event_of(files, **bundle), "forms": []})


@dataclass
class Bucket:
    """Objects by key; reads must be pinned."""

    objects: dict[str, bytes] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)

    def download(self, found: StoredObject, target: Path) -> None:
        assert found.version_id == "pinned"
        self.downloads.append(found.key)
        target.write_bytes(self.objects[found.key])

    def stage(self, path: Path, key: str) -> None:
        self.objects[key] = path.read_bytes()

    @property
    def staged(self) -> dict[str, bytes]:
        """Give what was staged, by its path below ``optimised/``."""
        found = self.objects.items()
        return {key.removeprefix(STAGED): body for key, body in found if key.startswith(STAGED)}


@dataclass
class LocalFolder:
    """An upload on the local disk, too large to hold in memory; staged files are counted."""

    folder: Path
    staged_bytes: int = 0

    def download(self, found: StoredObject, target: Path) -> None:
        shutil.copyfile(self.folder / Path(found.key).name, target)

    def stage(self, path: Path, key: str) -> None:
        self.staged_bytes += path.stat().st_size


class Bench:
    """The step over a bucket in memory."""

    def __init__(self, folder: Path, *, cpu_class: str = CPU_CLASS, memory_mib: int = 1769) -> None:
        self.bucket, self.folder = Bucket(), folder
        self.step = Optimise(self.bucket, cpu_class, memory_mib, folder)

    def outcome(
        self, files: Mapping[str, bytes], fleet: Mapping[str, str] | None = None, **bundle: Any
    ) -> dict[str, Any]:
        """Upload, verify and optimise."""
        event = event_of(files, **bundle)
        event["verified"]["fleet"] = fleet
        for file in event["upload"]["files"]:
            self.bucket.objects.setdefault(file["key"], files[file["path"]])
        return self.step.optimise(event)
