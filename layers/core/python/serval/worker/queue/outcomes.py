"""How a worker's attempts end, and what it counts of them."""

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from serval.errors import ServalError
from serval.faults import fault_of
from serval.inference.run import Outputs
from serval.models.metrics import InferenceMetrics
from serval.worker.queue.held import Held


@dataclass(frozen=True, slots=True)
class Answered:
    """The target has answered."""

    outputs: Outputs
    run_ms: float
    """How long the request's run took."""
    step_versions: str | None = None
    """Of a pipeline: its steps, each with the version that it asked, as JSON."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The version or the request is at fault, so the attempt counts."""

    error: ServalError


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Neither is at fault, so the attempt does not count."""

    seconds: int = 0
    """When it may be tried again."""
    failure: ServalError | None = None
    """Why the candidate could not answer it, which the stable version does on another machine."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The caller has cancelled the request."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The row names another runner by now."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """Its stream has begun, which ends by itself."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A state machine makes the attempt from here on."""


Outcome = Answered | Failed | GivenBack | Unwanted | Lost | Streaming | HandedOver
Ended = tuple[Held, Outcome]


@dataclass(slots=True)
class WorkerCounts:
    """Counts for the worker's row and as metrics, from any thread."""

    metrics: InferenceMetrics
    completed: int = 0
    """Requests that were closed."""
    busy_seconds: float = 0.0
    """Time that runs took."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_run(self, ended: Iterable[Ended], seconds: float) -> None:
        """Count the outcomes of a batch, and the time that it took."""
        with self._lock:
            self.busy_seconds += seconds
            for one, outcome in ended:
                self._count(one, outcome)

    def count_closed(self, requests: int) -> None:
        """Count requests that were closed."""
        with self._lock:
            self.completed += requests

    def count_failed_steps(self, model: str, steps: Collection[str]) -> None:
        """Count the steps of a pipeline that failed in one run."""
        with self._lock:
            self.metrics.count_failed_steps(model, steps)

    def flush(self) -> None:
        """Print the metrics that have not been printed."""
        with self._lock:
            self.metrics.flush()

    def _count(self, one: Held, outcome: Outcome) -> None:
        """Count as ``infer`` does: when the stable version steps in, the candidate has failed."""
        model = one.message.model
        match outcome:
            case Answered(_, run_ms):
                if (failure := one.candidate_failure) is None:
                    self.metrics.count_answer(model, one.aim.track, run_ms)
                elif fault_of(failure) != "stage":
                    self.metrics.count_failure(model, "candidate")
            case GivenBack(_, ServalError() as error) if fault_of(error) == "version":
                self.metrics.count_failure(model, "candidate")
            case Failed(error) if fault_of(error) == "version":
                replaced = error is one.candidate_failure
                self.metrics.count_failure(model, "candidate" if replaced else one.aim.track)
