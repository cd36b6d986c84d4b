"""Opening a version's artifact in the runtime that its bundle names."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from serval.handlers.opening import PYTHON, HandlerOpening
from serval.inference.loaded import ArtifactStore
from serval.inference.runtimes import ArtifactUnreadable, Model
from serval.inference.runtimes.http_completions import Completions
from serval.inference.runtimes.http_server import READY_SECONDS, Server, ServerDeclaration
from serval.inference.runtimes.http_v2 import ServedModel
from serval.inference.runtimes.onnx import CUDA, MIB_PER_VCPU, Execution, graph_opening
from serval.models.version import Form, ModelVersion
from serval.worker.program.server_folder import ServerFolder


@dataclass(slots=True)
class OpenVersion:
    """Finds and opens versions."""

    find_record: Callable[[str, str], ModelVersion]
    store: ArtifactStore
    execution: Execution
    server_folder: ServerFolder | None = None
    """Where the inference server beside the worker finds artifacts; None: it brings its own."""
    handlers: HandlerOpening | None = None
    """Opens custom Python; None: this machine runs none."""
    ready_seconds: float = READY_SECONDS

    def find(self, model: str, version: str) -> ModelVersion:
        """Find a version, without the files that this process does not load."""
        record = self.find_record(model, version)
        if record.runtime == "http":
            return replace(record, forms=(), artifact_files=())
        # Forms are laid out and fused for processors.
        return replace(record, forms=()) if CUDA in self.execution.providers else record

    def open(self, record: ModelVersion, path: Path, form: Form | None) -> Model:
        """Open a version that ``find`` returned.

        Raises
        ------
        ArtifactUnreadable
            If its runtime cannot run it, or the inference server is not there.
        """
        if record.runtime == "http":
            return self._hand_over(self.find_record(record.model, record.version))
        if record.runtime == PYTHON:
            return self._open_handler(record, path)
        memory_mib = self.execution.threads * MIB_PER_VCPU
        return graph_opening(memory_mib, self.execution)(record, path, form)

    def _open_handler(self, record: ModelVersion, path: Path) -> Model:
        if self.handlers is None:
            raise ArtifactUnreadable(
                f"{record.artifact} is custom Python, which runs on no machine"
            )
        return self.handlers.open(record, path)

    def _serve(self, record: ModelVersion) -> Model:
        declared = ServerDeclaration.of(record)
        server = Server(declared)
        if declared.protocol == "openai":
            return Completions(server, record.signature, self.ready_seconds)
        return ServedModel(server, self.ready_seconds)

    def _hand_over(self, record: ModelVersion) -> Model:
        """Put a version's files into the server's folder, and wait until the server has it."""
        if self.server_folder is None:
            return self._serve(record)
        self.server_folder.hand_over(record, partial(self.store.fetch, record))
        model = self._serve(record)
        self.server_folder.note_user(record, model)
        return model
