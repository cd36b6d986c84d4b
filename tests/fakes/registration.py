"""Bucket, registry and claims in memory, crashes at any call of them, and the smallest uploads."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

import onnx
from onnx import ModelProto, TensorProto, helper

from serval.bundles.manifest import Manifest
from serval.bundles.uploads import StoredObject
from serval.clock import Clock, timestamp
from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.models.registry import Rollout
from serval.models.route import Route
from serval.models.version import PIPELINE, BundleFile, ModelVersion

BUCKET = "artifacts"
SIGNED = f"&X-Amz-Security-Token={'t' * 1500}"
"""Presigned URLs on AWS are this long."""
START = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)


class Crash(BaseException):
    """The process ends here; nothing in Serval may catch it."""


@dataclass
class Crashes:
    """Let the process die at one call of a port: before its effect, or right after."""

    at: int | None = None
    after: bool = False
    calls: list[str] = field(default_factory=list)
    whenever: str | None = None
    """Die before every call of this name."""

    def before(self, call: str) -> None:
        self.calls.append(call)
        if self.whenever is not None and call.split()[0] == self.whenever:
            raise Crash(f"before {call}")
        if len(self.calls) - 1 == self.at and not self.after:
            raise Crash(f"before {call}")

    def done(self) -> None:
        if len(self.calls) - 1 == self.at and self.after:
            raise Crash(f"after {self.calls[-1]}")


@dataclass
class InMemoryBucket:
    """A versioned bucket; ``publish`` overwrites nothing."""

    crashes: Crashes
    objects: dict[str, list[bytes]] = field(default_factory=dict)

    def put(self, key: str, body: bytes) -> str:
        self.objects.setdefault(key, []).append(body)
        return f"v{len(self.objects[key])}"

    def body(self, found: StoredObject) -> bytes:
        return self.objects[found.key][int(found.version_id[1:]) - 1]

    def find(self, key: str, version_id: str | None = None) -> StoredObject | None:
        self.crashes.before(f"find {key}")
        self.crashes.done()
        if key not in self.objects:
            return None
        version_id = version_id or f"v{len(self.objects[key])}"
        return StoredObject(key, version_id, len(self.body(StoredObject(key, version_id, 0))))

    def read(self, found: StoredObject) -> bytes:
        self.crashes.before(f"read {found.key}")
        self.crashes.done()
        return self.body(found)

    def download(self, found: StoredObject, target: Path) -> None:
        self.crashes.before(f"download {found.key}")
        target.write_bytes(self.body(found))
        self.crashes.done()

    def presign(self, found: StoredObject) -> str:
        return f"https://bucket/{found.key}?versionId={found.version_id}{SIGNED}"

    def open_url(self, url: str, start: int, size_bytes: int) -> IO[bytes]:
        key, version_id = (
            url.removeprefix("https://bucket/").removesuffix(SIGNED).split("?versionId=")
        )
        self.crashes.before(f"open {key}")
        body = self.body(StoredObject(key, version_id, size_bytes))
        assert len(body) == size_bytes
        self.crashes.done()
        return io.BytesIO(body[start:])

    def stage(self, path: Path, key: str) -> None:
        self.crashes.before(f"stage {key}")
        self.put(key, path.read_bytes())
        self.crashes.done()

    def write(self, key: str, text: str) -> None:
        self.crashes.before(f"write {key}")
        self.objects[key] = [text.encode()]
        self.crashes.done()

    def publish(self, source: StoredObject, file: BundleFile, key: str) -> None:
        self.crashes.before(f"publish {key}")
        if key in self.objects:
            assert self.objects[key] == [self.body(source)]
        else:
            self.put(key, self.body(source))
        self.crashes.done()


@dataclass
class InMemoryRegistry:
    """``ModelRegistry`` and ``ModelRegistration``, with DynamoDB's conditions."""

    crashes: Crashes
    listed: set[str] = field(default_factory=set)
    digests: dict[tuple[str, str], str] = field(default_factory=dict)
    records: dict[tuple[str, str], ModelVersion] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    rollout_records: dict[tuple[str, str], Rollout] = field(default_factory=dict)
    rival: Route | None = None
    """Another writer's route, which lands just before the next ``set_route``."""

    def models(self) -> Sequence[str]:
        return sorted(self.listed)

    def pipelines(self) -> Sequence[str]:
        newest = {name: record for (name, _), record in sorted(self.records.items())}
        return sorted(name for name, record in newest.items() if record.runtime == PIPELINE)

    def route(self, model: str) -> Route:
        self.crashes.before("route")
        self.crashes.done()
        if model not in self.routes:
            raise ModelNotFound(model)
        return self.routes[model]

    def version(self, model: str, version: str) -> ModelVersion:
        if (model, version) not in self.records:
            raise ModelVersionNotFound(model, version)
        return self.records[model, version]

    def versions(self, model: str) -> Sequence[ModelVersion]:
        return [record for (name, _), record in sorted(self.records.items()) if name == model]

    def rollouts(self, model: str) -> Sequence[Rollout]:
        return [rollout for (name, _), rollout in self.rollout_records.items() if name == model]

    def rollout(self, model: str, rollout: str) -> Rollout | None:
        self.crashes.before("rollout")
        self.crashes.done()
        return self.rollout_records.get((model, rollout))

    def reserve(self, model: str, digest: str) -> str:
        self.crashes.before("reserve")
        taken = sum(name == model for name, _ in self.digests)
        version = self.digests.setdefault((model, digest), str(taken + 1))
        self.crashes.done()
        return version

    def record(self, version: ModelVersion) -> None:
        self.crashes.before("record")
        self.records.setdefault((version.model, version.version), version)
        self.listed.add(version.model)
        self.crashes.done()

    def set_route(
        self,
        model: str,
        route: Route,
        expected_revision: int | None,
        rollouts: Sequence[Rollout] = (),
    ) -> bool:
        self.crashes.before("set_route")
        if self.rival is not None:
            self.routes[model], self.rival = self.rival, None
        current = self.routes.get(model)
        if (current and current.revision) != expected_revision:
            return False
        if not all(map(self._writable, rollouts)):
            return False
        self.routes[model] = route
        for rollout in rollouts:
            self.rollout_records[model, rollout.rollout] = rollout.written
        self.crashes.done()
        return True

    def record_rollout(self, rollout: Rollout) -> bool:
        self.crashes.before(f"record_rollout {rollout.status}")
        if not self._writable(rollout):
            return False
        self.rollout_records[rollout.model, rollout.rollout] = rollout.written
        self.crashes.done()
        return True

    def _writable(self, rollout: Rollout) -> bool:
        known = self.rollout_records.get((rollout.model, rollout.rollout))
        if known is None:
            return True
        return known.status == "running" and known.revision == rollout.revision


@dataclass
class InMemoryClaims:
    """``Claims``: the first owner has it for good."""

    crashes: Crashes
    clock: Clock
    held: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Owner and time of each claim."""

    def take(self, claim: str, owner: str) -> str | None:
        self.crashes.before("take")
        holder, since = self.held.setdefault(claim, (owner, timestamp(self.clock())))
        self.crashes.done()
        return since if holder == owner else None


def manifest_of(model: str, files: Mapping[str, bytes]) -> str:
    """Write the right manifest of files."""
    listed = (BundleFile(p, sha256(b).hexdigest(), len(b)) for p, b in files.items())
    return Manifest(model, tuple(listed)).to_json()


def edited_manifest(model: str, files: Mapping[str, bytes], **changes: object) -> bytes:
    """Write a manifest whose first file says something else."""
    value = json.loads(manifest_of(model, files))
    value["files"][0] |= changes
    return json.dumps(value).encode()


def scaling_model(factor: float = 2.0) -> ModelProto:
    """Build the smallest real model: ``y = factor * x``."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "scaling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    return model


def scaling_bundle(name: str = "scaling", factor: float = 2.0) -> dict[str, bytes]:
    """Give the files of the smallest bundle."""
    return {
        "model.onnx": scaling_model(factor).SerializeToString(),
        "model.yaml": f"name: {name}\n".encode(),
    }
