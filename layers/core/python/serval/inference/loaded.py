"""Loaded versions: what one environment keeps ready within its memory and disk."""

import json
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from serval.errors import ArtifactUnavailable, InferenceFailed, ModelTooLarge, UnsupportedFeature
from serval.inference.runtimes import ArtifactUnreadable, ComposedModel, Model, OpenModel
from serval.inference.version_task import open_version_task
from serval.models.signature import TensorSpec
from serval.models.version import PIPELINE, Form, ModelVersion
from serval.protocol.limits import ENVIRONMENT_MIB, requests_mib
from serval.tasks.task import Task

if TYPE_CHECKING:  # versions whose answers are not kept pay for no cache
    from serval.inference.kept_answers import CacheUse, Outcome

MEMORY_PER_ARTIFACT = 2.5
"""A session takes up to this many times the artifact's bytes while it opens."""
MEMORY_PER_PORTABLE_FORM = 2.0
"""Weights that are laid out at load are copied once; all others stay mapped (docs/rollouts.md)."""
MEMORY_PER_LAID_OUT_FORM = 1.5
"""Weights stay mapped, except those that a kernel packs for itself."""


class ArtifactStore(Protocol):
    """Where artifacts come from."""

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        """Download one file of a version, verified, or raise ``ArtifactUnavailable``."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version in memory."""

    record: ModelVersion
    model: Model
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    load_ms: float
    form: Form | None = None
    """The form that was opened; None: the artifact as published."""
    task: Task | None = None
    """What takes text, images, sound or rows; None: the version takes tensors alone."""
    cache: "CacheUse | None" = None
    """What ``model`` and ``task`` look their answers up in; None: they run."""

    @property
    def own_task(self) -> Task | None:
        """The task itself, which always runs."""
        return self.task if self.cache is None else self.cache.task

    @classmethod
    def elsewhere(cls, record: ModelVersion, model: Model, task: Task | None = None) -> "Loaded":
        """Describe a version that another process holds, which ``model`` asks."""
        return cls(
            record,
            model,
            {spec.name: spec for spec in record.signature.inputs},
            {spec.name: spec for spec in record.signature.outputs},
            load_ms=0.0,
            task=task,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one environment may hold."""

    memory_bytes: int
    disk_bytes: int

    @classmethod
    def of_function(
        cls, memory_mib: int, ephemeral_storage_mib: int, kept_mib: int | None = None
    ) -> "Limits":
        """Derive the limits from a function's settings; requests need memory beside the models.

        Parameters
        ----------
        kept_mib
            Memory that is kept for requests; None: what ``infer`` keeps.
        """
        kept = requests_mib(memory_mib) if kept_mib is None else kept_mib
        models_mib = memory_mib - ENVIRONMENT_MIB - kept
        return cls(models_mib * 2**20, ephemeral_storage_mib * 2**20)


def estimated_bytes(record: ModelVersion, form: Form | None = None) -> int:
    """Estimate the memory that a version takes, loaded from a form or as published."""
    task = int(record.task_bytes * MEMORY_PER_ARTIFACT)
    if form is None:
        return task + int(record.artifact_bytes * MEMORY_PER_ARTIFACT)
    if form.cpu_class is None:
        return task + int(form.size_bytes * MEMORY_PER_PORTABLE_FORM)
    return task + int(form.size_bytes * MEMORY_PER_LAID_OUT_FORM)


def disk_bytes(record: ModelVersion, form: Form | None = None) -> int:
    """Return the disk space that a version takes."""
    return record.task_bytes + (record.artifact_bytes if form is None else form.size_bytes)


def discard(*told: object) -> None:
    """Discard a log line, or what is to be counted."""


def keep_all() -> None:
    """Let nothing go."""


def without_cache(
    loaded: Loaded, seconds: int, name: str, outcomes: "dict[str, Outcome]"
) -> Loaded:
    """Return a version as it is, where every call is to run it."""
    return loaded


def nobody_else(record: ModelVersion) -> Model | None:
    """Return None: every version is loaded here."""
    return None


def refuse_pipeline(record: ModelVersion, versions: "LoadedVersions") -> ComposedModel:
    """Refuse a pipeline where none runs."""
    raise UnsupportedFeature(
        f"model {record.model!r} is a pipeline, which nothing runs here: its calls, async requests "
        "and batch jobs are answered on Lambda"
    )


@dataclass(slots=True)
class LoadedVersions:
    """Loaded versions, of which the least recently used is evicted when another needs room.

    A version is opened from the form that fits the CPU; if that cannot be, as published.
    """

    find: Callable[[str, str], ModelVersion]
    store: ArtifactStore
    open_model: OpenModel
    folder: Path
    limits: Limits
    clock: Callable[[], float] = time.perf_counter
    cpu_class: str = ""
    """The class from ``serval.inference.cpu``; empty: no form is laid out for this machine."""
    log: Callable[[str], object] = discard
    tidy: Callable[[], object] = keep_all
    """Lets go what is not to be loaded any more."""
    elsewhere: Callable[[ModelVersion], Model | None] = nobody_else
    """Finds what asks another process to run a version; None: it is loaded here."""
    compose: Callable[[ModelVersion, "LoadedVersions"], ComposedModel] = refuse_pipeline
    """Opens a pipeline, whose steps are loaded from here too."""
    with_cache: Callable[[Loaded, int, str, "dict[str, Outcome]"], Loaded] = without_cache
    """Has a version's answers kept for some seconds, and notes what comes of it under a name."""
    count_failed_steps: Callable[[str, Collection[str]], object] = discard
    """Counts the steps of a pipeline that failed in one run."""
    _held: OrderedDict[tuple[str, str], Loaded] = field(default_factory=OrderedDict)
    _opening: set[tuple[str, str]] = field(default_factory=set)
    """Pipelines that are being opened."""

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Return whether a (model, version) is loaded."""
        return key in self._held

    def versions(self) -> list[tuple[str, str]]:
        """List what is loaded, the least recently used first."""
        return list(self._held)

    def find_loaded(self, model: str, version: str) -> Loaded | None:
        """Return a version if it is loaded, without counting that as use."""
        return self._held.get((model, version))

    def let_go(self, model: str, version: str) -> None:
        """Evict a version if it is loaded; runs under way continue."""
        self._held.pop((model, version), None)

    def has_room(self, record: ModelVersion) -> bool:
        """Return whether a version fits beside everything that is loaded."""
        form = record.form_for(self.cpu_class)
        return (
            self._sum(estimated_bytes) + estimated_bytes(record, form) <= self.limits.memory_bytes
            and self._sum(disk_bytes) + disk_bytes(record, form) <= self.limits.disk_bytes
        )

    def get(self, model: str, version: str) -> Loaded:
        """Return a loaded version, loading it first if need be.

        Raises
        ------
        ModelVersionNotFound
            If the registry has no such version.
        ArtifactUnavailable
            If a file is lost or corrupt; nothing is kept, so the next request tries again.
        ModelTooLarge
            If it could never fit.
        """
        held = self._held.get((model, version))
        if held is not None:
            self._held.move_to_end((model, version))
            return held
        started, record = self.clock(), self.find(model, version)
        if (distant := self.elsewhere(record)) is not None:
            return Loaded.elsewhere(record, distant)
        if record.runtime == PIPELINE:
            loaded = self._compose(record, started)
        else:
            loaded = self._load_best(record, started)
            if (seconds := record.cache_seconds) is not None:
                loaded = self.with_cache(loaded, seconds, "", {})
        self._held[model, version] = loaded
        return loaded

    def _compose(self, record: ModelVersion, started: float) -> Loaded:
        """Open a pipeline, unless that is under way: it loads what its steps call."""
        key = record.model, record.version
        if key in self._opening:
            raise InferenceFailed(*key, "the pipeline calls itself")
        self._opening.add(key)
        try:
            model = self.compose(record, self)
        finally:
            self._opening.remove(key)
        loaded = Loaded.elsewhere(record, model, model.task)
        more = {spec.name: spec for each in record.more_signatures for spec in each.outputs}
        taken_ms = (self.clock() - started) * 1e3
        return replace(loaded, outputs={**loaded.outputs, **more}, load_ms=taken_ms)

    def _load_best(self, record: ModelVersion, started: float) -> Loaded:
        """Load the form that fits, or the published artifact if that form is unusable."""
        form = record.form_for(self.cpu_class)
        if form is not None:
            try:
                return self._load(record, form, started)
            except ArtifactUnavailable as error:
                if not error.lost:
                    raise
                self._warn(form, error)
        return self._load(record, None, started)

    def _load(self, record: ModelVersion, form: Form | None, started: float) -> Loaded:
        self._make_room(record, form)
        folder = self._folder(record)
        artifact = form.artifact if form else record.artifact
        paths = [file.path for file in form.files] if form else record.artifact_files
        task = None
        try:
            for path in (*paths, *record.task_files):
                destination = folder / path
                destination.parent.mkdir(parents=True, exist_ok=True)
                self.store.fetch(record, path, destination)
            model = self.open_model(record, folder / artifact, form)
            if record.task is not None:
                task = open_version_task(record, folder, model, self.open_model)
        except ArtifactUnreadable as error:
            raise ArtifactUnavailable(
                record.model, record.version, str(error), lost=True
            ) from error
        finally:
            # An open session keeps its mapping of the files; nobody opens them by name again.
            shutil.rmtree(folder, ignore_errors=True)
        return Loaded(
            record,
            model,
            {spec.name: spec for spec in record.signature.inputs},
            {spec.name: spec for spec in record.signature.outputs},
            (self.clock() - started) * 1e3,
            form,
            task,
        )

    def _make_room(self, record: ModelVersion, form: Form | None) -> None:
        memory, disk = estimated_bytes(record, form), disk_bytes(record, form)
        if memory > self.limits.memory_bytes or disk > self.limits.disk_bytes:
            raise ModelTooLarge(
                f"model {record.model!r} version {record.version!r} takes about {memory} bytes of "
                f"memory and {disk} of disk; this function has {self.limits.memory_bytes} and "
                f"{self.limits.disk_bytes}: declare compute.memory_mib in model.yaml and deploy"
            )
        while self._held and not (
            self._sum(estimated_bytes) + memory <= self.limits.memory_bytes
            and self._sum(disk_bytes) + disk <= self.limits.disk_bytes
        ):
            self._held.popitem(last=False)

    def _sum(self, size: Callable[[ModelVersion, Form | None], int]) -> int:
        return sum(size(loaded.record, loaded.form) for loaded in self._held.values())

    def _warn(self, form: Form, error: ArtifactUnavailable) -> None:
        self.log(json.dumps({"level": "WARNING", "form": form.name, "error": str(error)}))

    def _folder(self, record: ModelVersion) -> Path:
        return self.folder / record.model / record.version
