"""Opening: a version's artifact in the runtime that its bundle names."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from serval.inference.loaded import ArtifactStore, Model
from serval.inference.runtimes.http_completions import Completions
from serval.inference.runtimes.http_server import READY_SECONDS, Server, ServerDeclaration
from serval.inference.runtimes.http_v2 import ServedModel
from serval.inference.runtimes.onnx import CUDA, MIB_PER_VCPU, Execution, OnnxModel
from serval.models.version import Form, ModelVersion
from serval.worker.program.server_folder import ServerFolder


@dataclass(slots=True)
class OpenVersion:
    """What ``LoadedVersions`` calls for one version at a time: ``find``, later ``open``."""

    find_record: Callable[[str, str], ModelVersion]
    store: ArtifactStore
    execution: Execution
    server_folder: ServerFolder | None = None
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
            return self._hand_over(record)
        memory_mib = self.execution.threads * MIB_PER_VCPU
        return OnnxModel(path, memory_mib, form, self.execution)

    def _serve(self, record: ModelVersion) -> Model:
        declared = ServerDeclaration.of(record)
        server = Server(declared)
        if declared.protocol == "openai":
            return Completions(server, record.signature, self.ready_seconds)
        return ServedModel(server, self.ready_seconds)

    def _hand_over(self, record: ModelVersion) -> Model:
        """Leave a version's files for the server, once, and wait for it."""
        if self.server_folder is None:
            return self._serve(record)
        self.server_folder.hand_over(record, partial(self.store.fetch, record))
        model = self._serve(record)
        self.server_folder.note_user(record, model)
        return model
