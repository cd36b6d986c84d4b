"""The candidate of a rollout, as the steps before the golden check describe it.

What the golden check says of a candidate that passed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from serval.bundles.uploads import Upload
from serval.models.signature import Signature
from serval.models.storage import staging_prefix
from serval.models.version import BundleFile, Form, ModelVersion, runtime_of

CANDIDATE = "candidate"
"""Stands for the version's number, which it gets once it is registered."""
DEFAULT_BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class TargetFleet:
    """The fleet that is to run a candidate, as ``verify`` found it deployed."""

    name: str
    accelerator: str
    """``none``, ``nvidia`` or ``neuron``."""

    def __str__(self) -> str:
        """Name it for people."""
        kind = "" if self.accelerator == "none" else f" ({self.accelerator})"
        return f"fleet {self.name!r}{kind}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that is not registered, and where its files lie until it is."""

    record: ModelVersion
    locations: Mapping[str, tuple[str, str | None]]
    """Path → key and version id of its object; no version id where sha256 alone pins it."""
    fleet: TargetFleet | None = None
    """None: it is for Lambda."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Candidate":
        """Read the input of the step: ``upload``, ``verified`` and ``forms``."""
        upload, verified = Upload.from_json(event["upload"]), event["verified"]
        forms = tuple(Form.from_json(form) for form in event["forms"])
        record = ModelVersion(
            model=upload.model,
            version=CANDIDATE,
            digest="",
            created="",
            artifact=verified["artifact"],
            artifact_files=tuple(verified["artifact_files"]),
            files=files(verified["files"]),
            signature=Signature.from_json(verified["signature"]),
            runtime=runtime_of(verified["bundle"]),
            bundle=verified["bundle"],
            forms=forms,
        )
        staged = staging_prefix(upload.model, upload.rollout)
        locations: dict[str, tuple[str, str | None]] = {
            path: (found.key, found.version_id) for path, found in upload.sources.items()
        }
        for form in forms:
            for file in form.files:
                locations[file.path] = (staged + file.path, None)
        fleet = verified.get("fleet")
        return cls(record, locations, fleet and TargetFleet(fleet["name"], fleet["accelerator"]))

    @property
    def golden(self) -> str | None:
        """Give the path of the golden requests, if the bundle has any."""
        path: str | None = self.record.bundle.get("golden")
        return path

    @property
    def tolerance(self) -> float | None:
        """How far floats may be from what is expected; None: as their datatype allows."""
        tolerance = self.record.bundle.get("golden_tolerance")
        return None if tolerance is None else float(tolerance)

    @property
    def max_batch_size(self) -> int:
        """Give the most rows that one run is to have."""
        batching = self.record.bundle.get("batching", {})
        return int(batching.get("max_batch_size", DEFAULT_BATCH_SIZE))

    def locate(self, record: ModelVersion, path: str) -> tuple[str, str | None]:
        """Give the key and the version id of a file of the candidate."""
        return self.locations[path]


def files(described: Sequence[Mapping[str, Any]]) -> tuple[BundleFile, ...]:
    """Read files as the steps describe them."""
    return tuple(BundleFile(file["path"], file["sha256"], file["size_bytes"]) for file in described)


DIGITS = {"p50_ms": 4, "p95_ms": 4, "session_ms": 4, "peak_memory_mib": 1, "rows_per_second": 1}
"""Behind the point, as far as they mean something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenReport:
    """What was found, and what was measured, on the compute that the candidate is for.

    None: it was not measured there.
    """

    largest_difference: float | None = None
    """Of any float from its expectation; None without golden requests."""
    requests: int = 0
    """Golden requests that were asked; 0 if the bundle has none."""
    rows: int = 0
    """Rows of those golden requests, all together."""
    p50_ms: float | None = None
    """Of running the model on a golden request, as ``infer`` in Server-Timing."""
    p95_ms: float | None = None
    peak_memory_mib: float | None = None
    """Of the whole process, while it loaded and answered."""
    best_batch_size: int | None = None
    """Rows of a run that gets through the most of them; 1 if the model takes no batches."""
    rows_per_second: float | None = None
    """At the best batch size; None if no batch was timed."""
    session_ms: float | None = None
    """What opening the session took, without the download."""
    form: str | None = None
    """Form that was run: the one that ``infer`` chooses on this machine; None: nothing was run."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        """Give the report as the rollout's record keeps it, in digits that mean something."""
        report = asdict(self) | {"notes": list(self.notes)}
        for name, digits in DIGITS.items():
            if report[name] is not None:
                report[name] = round(report[name], digits)
        return report
