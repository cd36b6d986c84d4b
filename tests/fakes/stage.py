"""A stage in memory: every step of a rollout over fakes, in the order of the state machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from serval.bundles.uploads import Uploads
from serval.bundles.verification.deployment import Deployment
from serval.errors import ArtifactUnavailable
from serval.foreign import ObjectCreated
from serval.inference.runtimes.onnx import graph_opening
from serval.models.deployed_fleets import Fleets
from serval.models.registry import Rollout
from serval.models.version import ModelVersion
from serval.rollouts.control import RolloutControl
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.memory import MemoryMeter
from serval.rollouts.steps.claim import Claim
from serval.rollouts.steps.conclude import Conclude
from serval.rollouts.steps.evaluate import Evaluate
from serval.rollouts.steps.golden_check import GoldenCheck
from serval.rollouts.steps.optimise import Optimise
from serval.rollouts.steps.register import Register
from serval.rollouts.steps.verify import Verify
from tests.fakes.evaluation import LAG, InMemoryAlarms, InMemoryMetrics
from tests.fakes.executions import Execution, Outcome, StepFailed
from tests.fakes.golden import CPU_CLASS, Resident, Ticking
from tests.fakes.inference import ROOMY
from tests.fakes.registration import (
    START,
    Crashes,
    InMemoryBucket,
    InMemoryClaims,
    InMemoryRegistry,
    manifest_of,
)

BUCKET = "artifacts"
INFER_MIB = 1024
VERIFY_MIB = 3008


@dataclass(frozen=True)
class CandidateStore:
    """``ArtifactStore`` of one candidate."""

    bucket: InMemoryBucket
    candidate: Candidate

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        found = self.bucket.find(*self.candidate.locate(record, path))
        assert found is not None
        self.bucket.download(found, destination)
        if sha256(destination.read_bytes()).hexdigest() != record.file(path).sha256:
            raise ArtifactUnavailable(record.model, record.version, f"{path} is corrupt")


class Stage:
    """The steps over fakes, and a user who uploads."""

    def __init__(
        self,
        work_folder: Path,
        memory_mib: Mapping[str, int] | None = None,
        verify_mib: int = VERIFY_MIB,
        fleets: Fleets | None = None,
    ) -> None:
        self.crashes = Crashes()
        self.bucket = InMemoryBucket(self.crashes)
        self.registry = InMemoryRegistry(self.crashes)
        self.now = START
        self.announced: list[Rollout] = []
        self.failing: dict[str, StepFailed] = {}
        """Steps whose function fails, and how."""
        self.claims = InMemoryClaims(self.crashes, self.tick)
        self.control = RolloutControl(self.registry, self.announced.append, self.tick)
        self.claim = Claim(
            claims=self.claims,
            uploads=Uploads(self.bucket, self.registry),
            control=self.control,
            presign=self.bucket.presign,
            registry=self.registry,
            golden_functions={"*": "golden", "heavy": "golden-heavy"},
        )
        self.verify = Verify(
            open_from=self.bucket.open_url,
            deployment=Deployment(memory_mib or {"*": INFER_MIB}, 512, fleets or Fleets({})),
            memory_mib=verify_mib,
        )
        self.optimise = Optimise(self.bucket, CPU_CLASS, verify_mib, work_folder)
        resident = Resident()
        self.golden = GoldenCheck(
            store_of=lambda candidate: CandidateStore(self.bucket, candidate),
            open_model=graph_opening(INFER_MIB),
            limits=ROOMY,
            memory=MemoryMeter(INFER_MIB, resident.peak, resident.forget),
            cpu_class=CPU_CLASS,
            clock=Ticking(),
            work_folder=work_folder,
            find_version=self.registry.version,
        )
        self.register = Register(self.bucket, self.control)
        self.conclude = Conclude(self.control, self.registry)
        self.evaluation = Evaluate(
            self.control, self.registry, InMemoryMetrics(), InMemoryAlarms(), LAG, self.tick
        )

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def upload(
        self, model: str, upload: str, files: Mapping[str, bytes], manifest: bytes | None = None
    ) -> ObjectCreated:
        """Upload files and, last, their manifest (or another one)."""
        prefix = f"incoming/{model}/{upload}/"
        for path, body in files.items():
            self.bucket.put(prefix + path, body)
        text = manifest_of(model, files).encode() if manifest is None else manifest
        version_id = self.bucket.put(f"{prefix}manifest.json", text)
        return ObjectCreated(BUCKET, f"{prefix}manifest.json", version_id)

    def upload_bare(self, model: str, artifact: bytes) -> ObjectCreated:
        """Upload a ``model.onnx`` alone."""
        key = f"incoming/{model}/model.onnx"
        return ObjectCreated(BUCKET, key, self.bucket.put(key, artifact))

    def published(self) -> dict[str, bytes]:
        """Give the files of versions: what lies under ``models/<model>/<version>/``."""
        files = re.compile(r"models/[^/]+/[^/]+/.+")
        return {k: v[-1] for k, v in self.bucket.objects.items() if files.fullmatch(k)}

    def roll_out(self, event: ObjectCreated, owner: str = "execution") -> Outcome:
        """Let the state machine run until the canary loop, or its end."""
        return Execution(self, event, owner).run()

    def evaluate(self, model: str, rollout: str) -> str:
        """Let the canary loop go round once; gives the rollout's status."""
        return self.evaluation.evaluate(model, rollout)["status"]
