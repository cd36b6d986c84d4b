"""What a worker counts: for its report, and as metrics by model and track."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from serval.faults import fault_of
from serval.models.metrics import InferenceMetrics
from serval.worker.held import Held
from serval.worker.outcomes import Answered, Ended, Failed, Outcome


@dataclass(slots=True)
class Counts:
    """Counts from whichever thread; the metrics go out every few seconds."""

    metrics: InferenceMetrics
    completed: int = 0
    """Requests that were closed."""
    busy_seconds: float = 0.0
    """Time that runs took."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ran(self, ended: Iterable[Ended], seconds: float) -> None:
        """Count what a batch came to, and what it took."""
        with self._lock:
            self.busy_seconds += seconds
            for one, outcome in ended:
                self._count(one, outcome)

    def closed(self, requests: int) -> None:
        """Count requests that were closed."""
        with self._lock:
            self.completed += requests

    def flush(self) -> None:
        """Print the metrics that have not been printed."""
        with self._lock:
            self.metrics.flush()

    def _count(self, one: Held, outcome: Outcome) -> None:
        """Count as ``infer`` does: what the stable version answered, its candidate failed."""
        model = one.message.model
        match outcome:
            case Answered(_, run_ms):
                if (failure := one.candidate_failure) is None:
                    self.metrics.answered(model, one.aim.track, run_ms)
                elif fault_of(failure) != "stage":
                    self.metrics.failed(model, "candidate")
            case Failed(error) if fault_of(error) == "version":
                self.metrics.failed(model, one.aim.track)
