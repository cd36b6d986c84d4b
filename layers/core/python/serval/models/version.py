"""Model versions: immutable published bundles, as the registry records them; and models' tags.

The tag of a model is a part of the ids of its requests and batch jobs, always at the same place.
IAM policies see rows and objects only by their keys, which contain the id. The tag lets a policy
grant a role the rows and objects of its own models alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

from serval.models.signature import Signature, TensorSpec
from serval.models.storage import version_prefix
from serval.models.task_signature import (
    ANSWERS_IN_FILES,
    OPENAI_SIGNATURE,
    OPENAI_TASKS,
    batch_signature,
    is_batched,
    takes_table,
    task_signature,
    task_signatures,
)

TAG_PLACE = 16
"""The number of characters before the tag, which are those of a second or of a hash."""
TAG_DIGITS = 10
DEFAULT_MEMORY_MIB = 1769
"""Memory of the functions that models share, and of a handler's that declares none: the least
that has a whole vCPU."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle; ``path`` is relative to the bundle, with forward slashes."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Form:
    """An optimised graph of a version: it gives the same answers, and opens faster."""

    name: str
    cpu_class: str | None
    """The class (``serval.inference.cpu``) that it is laid out for; None for any CPU."""
    artifact: str
    """Path of the graph; its external data lie in the same folder."""
    files: tuple[BundleFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes that a runtime loads."""
        return sum(file.size_bytes for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the form as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Form":
        """Read what ``to_json`` returned."""
        files = tuple(BundleFile(**file) for file in value["files"])
        return cls(value["name"], value["cpu_class"], value["artifact"], files)


PIPELINE = "pipeline"
"""The runtime of a version that has no artifact: other models answer."""
ANSWER_SPEC = TensorSpec("answer", "BYTES", (1,))
"""The output of a pipeline whose answer is JSON."""
BODY_PROTOCOLS = frozenset({"sagemaker", "http"})
"""Protocols of inference servers that take bodies as they are."""


def runtime_of(bundle: Mapping[str, Any]) -> str:
    """Return the runtime of a validated ``model.yaml``; older ones name none and mean ``onnx``."""
    kind: str = bundle.get("runtime", {}).get("kind", "onnx")
    return kind


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version's record, with everything that serving it needs."""

    model: str
    version: str
    digest: str
    """sha256 of the bundle's files: same bytes, same version."""
    created: str
    """UTC, ISO 8601."""
    artifact: str
    """Path of the graph inside the bundle."""
    artifact_files: tuple[str, ...]
    """Paths that a runtime needs on disk: the graph and its external data."""
    files: tuple[BundleFile, ...]
    signature: Signature
    runtime: str = "onnx"
    bundle: Mapping[str, Any] = field(default_factory=dict)
    """``model.yaml`` as validated."""
    forms: tuple[Form, ...] = ()
    measurements: Mapping[str, Any] = field(default_factory=dict)
    """The golden report."""

    @property
    def task(self) -> str | None:
        """The version's task, or None for a model of tensors alone."""
        section: Mapping[str, Any] = self.bundle.get("task") or {}
        return section.get("name")

    @property
    def speaks_openai(self) -> bool:
        """Whether it answers calls of OpenAI's API: by its task, or its inference server."""
        if self.runtime == PIPELINE:
            return False
        return self.task in OPENAI_TASKS or self.has_openai_server

    @property
    def has_openai_server(self) -> bool:
        """Whether an inference server answers calls of OpenAI's API for it."""
        section: Mapping[str, Any] = self.bundle.get("runtime", {})
        is_server = self.task is None and self.runtime != "onnx"
        return is_server and section.get("protocol") == "openai"

    @property
    def more_signatures(self) -> tuple[Signature, ...]:
        """What requests may have instead of the graph's tensors."""
        if self.runtime == PIPELINE:  # its own signature is its task's, unless it gives tensors
            return (task_signature(self.task),) if self.task in ANSWERS_IN_FILES else ()
        of_task = () if self.task is None else task_signatures(self.task)
        return (*of_task, OPENAI_SIGNATURE) if self.speaks_openai else of_task

    @property
    def task_options(self) -> dict[str, Any]:
        """The keys of ``task:`` in model.yaml that are given, except the name; and ``columns``."""
        section: Mapping[str, Any] = self.bundle.get("task") or {}
        given = {**section, "columns": self.bundle.get("columns") or None}
        return {key: value for key, value in given.items() if value is not None and key != "name"}

    @property
    def task_files(self) -> tuple[str, ...]:
        """Paths of the files that a task may read: all but the graph, its data, and our own."""
        if self.task is None or self.runtime == PIPELINE:
            return ()
        ours = {*self.artifact_files, "model.yaml", self.bundle.get("golden")}
        return tuple(file.path for file in self.files if file.path not in ours)

    @property
    def takes_bodies(self) -> bool:
        """Whether calls are bodies handed on as they are: to a handler, or a server of such."""
        section: Mapping[str, Any] = self.bundle.get("runtime", {})
        return self.runtime == "python" or section.get("protocol") in BODY_PROTOCOLS

    @property
    def on_fleet(self) -> bool:
        """Whether a fleet runs it."""
        compute: Mapping[str, Any] = self.bundle.get("compute", {})
        return compute.get("target") == "fleet"

    @property
    def cache_seconds(self) -> int | None:
        """How long its answers are kept; None: every call runs it."""
        section: Mapping[str, Any] = self.bundle.get("cache") or {}
        return section.get("ttl_seconds")

    @property
    def durable(self) -> bool:
        """Whether it is a pipeline that Step Functions runs, as an async request."""
        return self.runtime == PIPELINE and bool(self.bundle.get("durable"))

    @property
    def has_own_function(self) -> bool:
        """Whether it declares the memory of a function of its own."""
        compute: Mapping[str, Any] = self.bundle.get("compute", {})
        return compute.get("memory_mib") is not None

    @property
    def handler_memory_mib(self) -> int:
        """Memory of the function that runs a handler; 0 if no such function runs the version."""
        if self.runtime != "python" or self.on_fleet:
            return 0
        compute: Mapping[str, Any] = self.bundle.get("compute", {})
        return int(compute.get("memory_mib") or DEFAULT_MEMORY_MIB)

    def file(self, path: str) -> BundleFile:
        """Find a file of the bundle or of a form by its path."""
        files = chain(self.files, *(form.files for form in self.forms))
        return next(file for file in files if file.path == path)

    def form_for(self, cpu_class: str) -> Form | None:
        """Choose the form laid out for a CPU class, else the portable one, if there is any."""
        forms = {form.cpu_class: form for form in self.forms}
        return forms.get(cpu_class) or forms.get(None)

    @property
    def artifact_bytes(self) -> int:
        """Bytes that a runtime loads."""
        return sum(self.file(path).size_bytes for path in self.artifact_files)

    @property
    def batch_task(self) -> str | None:
        """The task whose inputs batch jobs bring; None: they bring tensors."""
        if self.task is None or not is_batched(self.task):
            return None
        # Only a graph says which columns a table has.
        return None if self.runtime == PIPELINE and takes_table(self.task) else self.task

    @property
    def answers_in_json(self) -> bool:
        """Whether batch jobs get JSON: of a task, or of a pipeline that gives it."""
        gives_json = self.runtime == PIPELINE and self.signature.outputs == (ANSWER_SPEC,)
        return gives_json or self.batch_task is not None

    @property
    def batch_signature(self) -> Signature:
        """The signature to batch jobs: the task's, a handler's without types, or the graph's.

        A pipeline that gives JSON gets each row in a call of its own.
        """
        if self.batch_task is not None:
            columns = self.bundle.get("columns") or {}
            return batch_signature(self.batch_task, self.signature, columns)
        if self.answers_in_json:
            inputs = tuple(map(_by_rows, self.signature.inputs))
            return replace(self.signature, inputs=inputs, outputs=(_by_rows(ANSWER_SPEC),))
        if not self.takes_bodies:
            return self.signature
        return replace(self.signature, outputs=self.signature.outputs[:1], optional=())

    @property
    def task_bytes(self) -> int:
        """Bytes of the files that a task may read."""
        return sum(self.file(path).size_bytes for path in self.task_files)

    def to_json(self) -> str:
        """Return the record as the registry stores it."""
        return json.dumps(
            {
                "model": self.model,
                "version": self.version,
                "digest": self.digest,
                "created": self.created,
                "artifact": self.artifact,
                "artifact_files": self.artifact_files,
                "files": [[f.path, f.sha256, f.size_bytes] for f in self.files],
                "signature": self.signature.to_json(),
                "runtime": self.runtime,
                "bundle": self.bundle,
                "forms": [form.to_json() for form in self.forms],
                "measurements": self.measurements,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "ModelVersion":
        """Read what ``to_json`` returned."""
        value = json.loads(text)
        return cls(
            **{
                **value,
                "artifact_files": tuple(value["artifact_files"]),
                "files": tuple(BundleFile(*file) for file in value["files"]),
                "signature": Signature.from_json(value["signature"]),
                "forms": tuple(Form.from_json(form) for form in value.get("forms", ())),
            }
        )


def _by_rows(spec: TensorSpec) -> TensorSpec:
    """Return a tensor of one row as one of many."""
    return replace(spec, shape=(-1, *spec.shape[1:])) if spec.shape[:1] == (1,) else spec


def locate_published(record: ModelVersion, path: str) -> tuple[str, str | None]:
    """Return the key of a published file, which never changes and so needs no version id."""
    return version_prefix(record.model, record.version) + path, None


def model_tag(model: str) -> str:
    """Return the tag of a model."""
    return hashlib.sha256(model.encode()).hexdigest()[:TAG_DIGITS]


def add_tag(bare: str, model: str) -> str:
    """Insert a model's tag into an id."""
    return f"{bare[:TAG_PLACE]}{model_tag(model)}{bare[TAG_PLACE:]}"


def remove_tag(tagged_id: str) -> str:
    """Remove the tag from an id, which gives the id that earlier versions of Serval used."""
    return tagged_id[:TAG_PLACE] + tagged_id[TAG_PLACE + TAG_DIGITS :]


def id_pattern(model: str) -> str:
    """Return a pattern of IAM that matches a model's ids."""
    return f"{'?' * TAG_PLACE}{model_tag(model)}*"
