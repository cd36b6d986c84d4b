"""What the golden check says of a candidate that passed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

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
