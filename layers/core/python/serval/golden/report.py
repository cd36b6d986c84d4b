"""What the golden check says of a candidate that passed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenReport:
    """Measured on the compute that the candidate is for."""

    largest_difference: float | None
    """Of any float from its expectation; None without golden requests."""
    requests: int
    """Golden requests; 0 if the bundle has none."""
    rows: int
    """Rows of the golden requests, all together."""
    p50_ms: float
    """Of running the model on a golden request, as ``infer`` in Server-Timing."""
    p95_ms: float
    peak_memory_mib: float
    """Of the whole process, while it loaded and answered."""
    best_batch_size: int
    """Rows of a run that gets through the most of them; 1 if the model takes no batches."""
    rows_per_second: float | None
    """At the best batch size; None if no batch was timed."""
    session_ms: float
    """What opening the session took, without the download."""
    form: str
    """Form that was run: the one that ``infer`` chooses on this machine."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        """Give the report as the rollout's record keeps it, in digits that mean something."""
        report = asdict(self) | {"notes": list(self.notes)}
        for name in ("p50_ms", "p95_ms", "session_ms"):
            report[name] = round(report[name], 4)
        report["peak_memory_mib"] = round(self.peak_memory_mib, 1)
        if self.rows_per_second is not None:
            report["rows_per_second"] = round(self.rows_per_second, 1)
        return report
