"""Metrics of inference: aggregated in the environment, printed as CloudWatch's embedded format.

Each custom metric costs $0.30 a month, so there are three per model and track: ``Requests``,
``Errors`` and ``Latency`` (milliseconds, of requests that were answered, loading left out).

Specification: "CloudWatch embedded metric format", Amazon CloudWatch User Guide.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serval.routes import Track

NAMESPACE = "Serval"
DIMENSIONS = ("Model", "Track")
METRICS = {"Requests": "Count", "Errors": "Count", "Latency": "Milliseconds"}
RESOLUTION_SECONDS = 1
"""High resolution, at no extra price, so that rollouts can look at seconds."""
FLUSH_SECONDS = 10.0
FLUSH_REQUESTS = 100
"""Also the most values that one metric may have in one document."""


@dataclass(slots=True)
class Tally:
    """What happened on one track of a model since the last flush."""

    requests: int = 0
    errors: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    last: float = 0.0
    """When the last request was counted; the tally is dated by it, however late it is printed."""


@dataclass(slots=True)
class InferenceMetrics:
    """Counts requests; printed every 10 s or 100 requests, whichever comes first."""

    write: Callable[[str], object]
    clock: Callable[[], float] = time.time
    _tallies: dict[tuple[str, Track], Tally] = field(default_factory=dict)
    _pending: int = 0
    _flushed: float = 0.0

    def answered(self, model: str, track: Track, latency_ms: float) -> None:
        """Count a request that was answered, in milliseconds without loading."""
        tally = self._tally(model, track)
        tally.latencies_ms.append(round(latency_ms, 3))
        self._flush_when_due()

    def failed(self, model: str, track: Track) -> None:
        """Count a request that failed through no fault of the client."""
        self._tally(model, track).errors += 1
        self._flush_when_due()

    def flush(self) -> None:
        """Print what has not been printed."""
        for (model, track), tally in self._tallies.items():
            self.write(json.dumps(document(model, track, tally, int(tally.last * 1000))))
        self._tallies.clear()
        self._pending = 0
        self._flushed = self.clock()

    def _tally(self, model: str, track: Track) -> Tally:
        tally = self._tallies.get((model, track))
        if tally is None:
            tally = self._tallies[model, track] = Tally()
        tally.requests += 1
        tally.last = self.clock()
        self._pending += 1
        return tally

    def _flush_when_due(self) -> None:
        if self._pending >= FLUSH_REQUESTS or self.clock() - self._flushed >= FLUSH_SECONDS:
            self.flush()


def document(model: str, track: Track, tally: Tally, timestamp_ms: int) -> dict[str, Any]:
    """Give the embedded metric document of a tally."""
    values: dict[str, Any] = {"Requests": tally.requests, "Errors": tally.errors}
    if tally.latencies_ms:
        values["Latency"] = tally.latencies_ms
    metrics = [
        {"Name": name, "Unit": METRICS[name], "StorageResolution": RESOLUTION_SECONDS}
        for name in values
    ]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(DIMENSIONS)], "Metrics": metrics}
    return {
        "_aws": {"Timestamp": timestamp_ms, "CloudWatchMetrics": [directive]},
        "Model": model,
        "Track": track,
        **values,
    }
