"""Opening: a version's artifact in the runtime that its bundle names."""

import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from serval.loaded import ArtifactStore, Model
from serval.runtimes.http_completions import Completions
from serval.runtimes.http_server import READY_SECONDS, Declared, Server
from serval.runtimes.http_v2 import ServedModel
from serval.runtimes.onnx import CUDA, MIB_PER_VCPU, Execution, OnnxModel
from serval.versions import Form, ModelVersion

ARCHIVES = (".tar", ".tar.gz", ".tgz")


@dataclass(slots=True)
class Opening:
    """What ``LoadedVersions`` calls for one version at a time: ``find``, later ``open``."""

    find_record: Callable[[str, str], ModelVersion]
    store: ArtifactStore
    execution: Execution
    server_folder: Path | None = None
    """Where artifacts are left for an inference server beside the worker; None: it has its own."""
    ready_seconds: float = READY_SECONDS
    _found: ModelVersion | None = field(default=None)
    """What ``open`` is about to be called for: a path does not say it."""

    def find(self, model: str, version: str) -> ModelVersion:
        """Find a version: as far as its artifact is loaded into this process."""
        record = self._found = self.find_record(model, version)
        if record.runtime == "http":
            return replace(record, forms=(), artifact_files=())
        # Forms are laid out and fused for processors.
        return replace(record, forms=()) if CUDA in self.execution.providers else record

    def open(self, path: Path, form: Form | None) -> Model:
        """Open the version that was found last.

        Raises
        ------
        ArtifactUnreadable
            If its runtime cannot run it, or the inference server is not there.
        """
        record = self._found
        if record is not None and record.runtime == "http":
            self._hand_over(record)
            return self._serve(record)
        memory_mib = self.execution.threads * MIB_PER_VCPU
        return OnnxModel(path, memory_mib, form, self.execution)

    def _serve(self, record: ModelVersion) -> Model:
        declared = Declared.of(record)
        server = Server(declared)
        if declared.protocol == "openai":
            return Completions(server, record.signature, self.ready_seconds)
        return ServedModel(server, self.ready_seconds)

    def _hand_over(self, record: ModelVersion) -> None:
        """Leave a version's files for the server, once; they appear when they are whole."""
        if self.server_folder is None:
            return
        folder = self.server_folder / record.model / record.version
        if folder.exists():
            return
        partial = folder.with_name(f"{record.version}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for path in record.artifact_files:
            destination = partial / path
            destination.parent.mkdir(parents=True, exist_ok=True)
            self.store.fetch(record, path, destination)
            unpack(destination)
        partial.rename(folder)


def unpack(path: Path) -> None:
    """Put an archive's members in its place; ``verify`` has looked at them all."""
    if path.name.lower().endswith(ARCHIVES):
        with tarfile.open(path) as archive:
            archive.extractall(path.parent, filter="data")
        path.unlink()
