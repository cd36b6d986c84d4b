"""Optimise the graph of a verified upload, and stage its optimised forms."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from serval.bundles.uploads import StoredObject, Upload
from serval.bundles.verification.files import file_reasons
from serval.errors import BundleRefused
from serval.models.storage import staging_prefix
from serval.models.version import PIPELINE
from serval.rollouts.documents import OptimisedForms
from serval.rollouts.forms.forms import FOLDER, make_forms
from serval.rollouts.golden.candidate import Candidate

MEBIBYTE = 2**20
RUNTIME_MIB = 200
"""Memory that the function takes before it opens a graph."""
LEAST_BYTES = 100_000
"""Below this size a form opens less than a millisecond faster, and costs two more files."""
MEMORY_PER_BYTE = 3.5
"""Memory to make forms, at most, per byte of the artifact."""
DISK_PER_BYTE = 3
"""The artifact and two forms of it."""


class FormArtifacts(Protocol):
    """The artifact bucket, as far as ``optimise`` uses it."""

    def download(self, found: StoredObject, target: Path) -> None:
        """Write an object's bytes to a file."""

    def stage(self, path: Path, key: str) -> None:
        """Upload a file; an earlier attempt may have uploaded the same."""


@dataclass(frozen=True, slots=True)
class Optimise:
    """Makes the optimised forms of an upload."""

    artifacts: FormArtifacts
    cpu_class: str
    memory_mib: int
    """Memory of this function."""
    work_folder: Path | None = None
    """Where to download files; None for the system's temporary folder."""

    def optimise(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Make and stage the forms of an upload; ``event`` has ``upload`` and ``verified``.

        Returns
        -------
        dict
            ``outcome``: ``refused`` with ``reasons`` if a file is no longer as it was verified,
            or ``passed`` with ``forms`` and ``notes``.
        """
        upload, candidate = Upload.from_json(event["upload"]), Candidate.from_event(event)
        try:
            optimised = self._make_and_stage(upload, candidate)
        except BundleRefused as refused:
            return {"outcome": "refused", "reasons": list(refused.reasons)}
        return {"outcome": "passed", "reasons": [], **optimised.to_json()}

    def _make_and_stage(self, upload: Upload, candidate: Candidate) -> OptimisedForms:
        with TemporaryDirectory(dir=self.work_folder, prefix="optimise-") as name:
            folder = Path(name)
            if note := self._nothing_to_do(candidate) or self._no_room(candidate, folder):
                return OptimisedForms(notes=(f"no forms: {note}",))
            self._download(upload, candidate, folder)
            optimised = self._make(candidate, folder)
            staged = staging_prefix(upload.model, upload.rollout)
            for form in optimised.forms:
                for file in form.files:
                    self.artifacts.stage(folder / file.path, staged + file.path)
        return optimised

    def _make(self, candidate: Candidate, folder: Path) -> OptimisedForms:
        """Make the forms; only the portable one for a fleet, whose CPUs are unknown."""
        if candidate.fleet is None:
            return make_forms(candidate, folder, self.cpu_class, self.memory_mib)
        made = make_forms(candidate, folder, None, self.memory_mib)
        note = f"no form is laid out: the CPUs of {candidate.fleet} are not known here"
        return replace(made, notes=(*made.notes, note)) if made.forms else made

    def _nothing_to_do(self, candidate: Candidate) -> str | None:
        """Return the reason why forms would be of no use, if there is one."""
        record, fleet = candidate.record, candidate.fleet
        if record.runtime == PIPELINE:
            return "a pipeline has no graph of its own"
        if record.runtime != "onnx":
            runner = "Python" if record.runtime == "python" else "an inference server"
            return f"{runner} runs {record.artifact}"
        if fleet is not None and fleet.accelerator != "none":
            return f"the model runs on {fleet}, whose accelerator this machine cannot stand in for"
        if not record.artifact.endswith(".onnx"):
            return f"{record.artifact} is not an ONNX graph"
        if record.artifact_bytes < LEAST_BYTES:
            return (
                f"the artifact has {record.artifact_bytes} bytes; below {LEAST_BYTES} it opens as "
                "fast as published"
            )
        taken = [file.path for file in record.files if file.path.split("/")[0] == FOLDER]
        return f"the bundle's own {taken[0]} has the place of the forms" if taken else None

    def _no_room(self, candidate: Candidate, folder: Path) -> str | None:
        """Return the reason why this function cannot make forms, if there is one."""
        size = candidate.record.artifact_bytes
        memory_mib = RUNTIME_MIB + MEMORY_PER_BYTE * size / MEBIBYTE
        if memory_mib > self.memory_mib:
            return (
                f"an artifact of {size} bytes takes {memory_mib:.0f} MiB of memory to optimise, "
                f"the function `optimise` has {self.memory_mib}"
            )
        free = shutil.disk_usage(folder).free
        if DISK_PER_BYTE * size > free:
            return (
                f"an artifact of {size} bytes takes {DISK_PER_BYTE * size} bytes of ephemeral "
                f"storage to optimise, the function `optimise` has {free} free"
            )
        return None

    def _download(self, upload: Upload, candidate: Candidate, folder: Path) -> None:
        """Download the files that forms need, and compare them with what was verified."""
        paths = {*candidate.record.artifact_files}
        if candidate.golden is not None:
            paths.add(candidate.golden)
        files = [candidate.record.file(path) for path in sorted(paths)]
        for file in files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            self.artifacts.download(upload.sources[file.path], target)
        if reasons := file_reasons(folder, files):
            raise BundleRefused(reasons)
