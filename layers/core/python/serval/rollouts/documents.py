"""Documents that the steps of a rollout pass on through the state machine.

``verify`` writes a ``VerifiedUpload``, ``optimise`` ``OptimisedForms`` and the golden check a
``GoldenReport``; ``register`` reads all three.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from serval.models.signature import Signature
from serval.models.version import BundleFile, Form, ModelVersion, runtime_of

CANDIDATE = "candidate"
"""Stands for the version's number, which it gets when it is registered."""


@dataclass(frozen=True, slots=True)
class TargetFleet:
    """The fleet that is to run a version, as ``verify`` found it deployed."""

    name: str
    accelerator: str
    """``none``, ``nvidia`` or ``neuron``."""

    def __str__(self) -> str:
        """Name it in a message."""
        kind = "" if self.accelerator == "none" else f" ({self.accelerator})"
        return f"fleet {self.name!r}{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedUpload:
    """An upload that may become a version."""

    files: tuple[BundleFile, ...]
    artifact: str
    artifact_files: tuple[str, ...]
    """What its runtime needs on disk."""
    signature: Signature
    bundle: Mapping[str, Any]
    """``model.yaml`` with every default."""
    fleet: TargetFleet | None = None
    """None if Lambda runs it."""

    def candidate(self, model: str, forms: tuple[Form, ...] = ()) -> ModelVersion:
        """Describe the version that the upload becomes, before it is registered."""
        return ModelVersion(
            model=model,
            version=CANDIDATE,
            digest="",
            created="",
            artifact=self.artifact,
            artifact_files=self.artifact_files,
            files=self.files,
            signature=self.signature,
            runtime=runtime_of(self.bundle),
            bundle=self.bundle,
            forms=forms,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain JSON values."""
        return {
            "files": [asdict(file) for file in self.files],
            "artifact": self.artifact,
            "artifact_files": list(self.artifact_files),
            "fleet": self.fleet and asdict(self.fleet),
            "signature": self.signature.to_json(),
            "bundle": dict(self.bundle),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "VerifiedUpload":
        """Read what ``to_json`` returned."""
        fleet = value.get("fleet")
        return cls(
            files=tuple(BundleFile(**file) for file in value["files"]),
            artifact=value["artifact"],
            artifact_files=tuple(value["artifact_files"]),
            signature=Signature.from_json(value["signature"]),
            bundle=value["bundle"],
            fleet=fleet and TargetFleet(**fleet),
        )


@dataclass(frozen=True, slots=True)
class OptimisedForms:
    """The optimised forms of an upload, and why it has no others."""

    forms: tuple[Form, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain JSON values."""
        return {"forms": [form.to_json() for form in self.forms], "notes": list(self.notes)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "OptimisedForms":
        """Read what ``to_json`` returned."""
        forms = tuple(Form.from_json(form) for form in value["forms"])
        return cls(forms, tuple(value["notes"]))


DIGITS = {"p50_ms": 4, "p95_ms": 4, "session_ms": 4, "peak_memory_mib": 1, "rows_per_second": 1}
"""Decimal places that are significant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenReport:
    """Results of the golden check, measured on the compute that the candidate is for.

    A measurement is None if it was not taken there.
    """

    largest_difference: float | None = None
    """Of any float from its expected value; None without golden requests."""
    requests: int = 0
    """Golden requests answered; 0 if the bundle has none."""
    rows: int = 0
    """Rows of those requests in all."""
    p50_ms: float | None = None
    """Time to run the model on a golden request, as ``infer`` in Server-Timing."""
    p95_ms: float | None = None
    steps_p50_ms: Mapping[str, float] = field(default_factory=dict)
    """Step → time that it takes; of pipelines alone."""
    peak_memory_mib: float | None = None
    """Of the whole process while it loaded and answered."""
    best_batch_size: int | None = None
    """Rows of the run with the highest throughput; 1 if the model takes no batches."""
    rows_per_second: float | None = None
    """At the best batch size; None if no batch was timed."""
    session_ms: float | None = None
    """Time to open the session, without the download."""
    form: str | None = None
    """The form that ran, which ``infer`` chooses on this machine; None if nothing ran."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report in significant digits, as the rollout's record keeps it."""
        report = asdict(self) | {"notes": list(self.notes)}
        for name, digits in DIGITS.items():
            if report[name] is not None:
                report[name] = round(report[name], digits)
        del report["steps_p50_ms"]
        if self.steps_p50_ms:
            digits = DIGITS["p50_ms"]
            steps = {name: round(ms, digits) for name, ms in self.steps_p50_ms.items()}
            report["steps_p50_ms"] = steps
        return report

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GoldenReport":
        """Read what ``to_json`` returned."""
        names = {member.name for member in fields(cls)} & value.keys()
        members = {name: value[name] for name in names}
        return cls(**members | {"notes": tuple(value.get("notes", ()))})
