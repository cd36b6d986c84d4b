"""The golden check of a candidate on the machine that is to run it, by its inference server."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from serval.errors import BundleRefused
from serval.inference.loaded import ArtifactStore, Limits, LoadedVersions
from serval.inference.run import Inference
from serval.inference.runtimes import ArtifactUnreadable, Model
from serval.models.version import ModelVersion
from serval.rollouts.golden.answers import ask_golden
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.fleet_candidate import ENOUGH_SECONDS
from serval.rollouts.golden.requests import read_golden


@dataclass(frozen=True, slots=True)
class CandidateCheck:
    """Asks candidates their golden requests."""

    store: ArtifactStore

    def check(self, record: ModelVersion, model: Model) -> None:
        """Compare a candidate's answers with those that its bundle expects, for two minutes.

        Raises
        ------
        ArtifactUnreadable
            If one fails or differs, or they cannot be read.
        ArtifactUnavailable
            If they cannot be fetched.
        """
        candidate = Candidate(record, {})
        if candidate.golden is None:
            return
        until = time.monotonic() + ENOUGH_SECONDS
        with TemporaryDirectory(prefix="golden-") as folder:
            file = Path(folder) / "golden.jsonl"
            self.store.fetch(record, candidate.golden, file)
            bare = replace(record, forms=(), artifact_files=())
            versions = LoadedVersions(
                lambda name, version: bare,
                self.store,
                lambda opened, path, form: model,
                Path(folder),
                Limits(0, 0),
            )
            loaded = versions.get(record.model, record.version)
            try:
                golden = read_golden(candidate.golden, file.read_bytes())
                ask_golden(
                    Inference(versions),
                    candidate,
                    loaded,
                    golden,
                    lambda: time.monotonic() >= until,
                )
            except BundleRefused as refused:
                raise ArtifactUnreadable(
                    f"it fails its golden requests: {'; '.join(refused.reasons)}"
                ) from refused
