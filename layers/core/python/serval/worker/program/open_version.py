"""Opening a version's artifact in the runtime that its bundle names."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from serval.handlers.opening import PYTHON, HandlerOpening
from serval.inference.runtimes import ArtifactUnreadable, Model
from serval.inference.runtimes.onnx import CUDA, MIB_PER_VCPU, Execution, graph_opening
from serval.models.server_declaration import SERVED
from serval.models.version import Form, ModelVersion


@dataclass(slots=True)
class OpenVersion:
    """Finds and opens versions."""

    find_record: Callable[[str, str], ModelVersion]
    execution: Execution
    open_served: Callable[[ModelVersion], Model]
    """Opens a version on the inference server beside the worker."""
    handlers: HandlerOpening | None = None
    """Opens custom Python; None: this machine runs none."""

    def find(self, model: str, version: str) -> ModelVersion:
        """Find a version, without the files that this process does not load."""
        record = self.find_record(model, version)
        if record.runtime in SERVED:
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
        if record.runtime in SERVED:
            return self.open_served(self.find_record(record.model, record.version))
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
