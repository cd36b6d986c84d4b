"""Metrics of inference, aggregated in the environment and printed in CloudWatch's embedded format.

Each custom metric costs $0.30 a month, so a model has three per track: ``Requests``, ``Errors``
and ``Latency`` (milliseconds of answered requests, without loading). Requests that name a version
are counted on tracks of their own, which rollouts ignore.

Steps of pipelines that fail have a metric each, ``Errors``, from the first failure on.

Specification: "CloudWatch embedded metric format", Amazon CloudWatch User Guide.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serval.models.route import Counted

NAMESPACE = "Serval"
DIMENSIONS = ("Model", "Track")
STEP_DIMENSIONS = ("Model", "Step")
METRICS = {"Requests": "Count", "Errors": "Count", "Latency": "Milliseconds"}
RESOLUTION_SECONDS = 1
"""High resolution costs nothing more and lets rollouts read metrics by the second."""
FLUSH_SECONDS = 10.0
FLUSH_REQUESTS = 100
"""Also the most values of one metric in one document."""
SPARE_FLUSHES = 60
"""How often an environment may flush early, since Lambda freezes it after an answer and its last
metrics would wait for the next request. Every 10 s it regains one."""


@dataclass(slots=True)
class MetricTally:
    """Counts of one track of a model since the last flush."""

    requests: int = 0
    errors: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    last: float = 0.0
    """Time of the last request, which dates the tally however late it is printed."""


@dataclass(slots=True)
class InferenceMetrics:
    """Counts requests, and flushes after each if they are few, else every 10 s or 100 requests."""

    write: Callable[[str], object]
    clock: Callable[[], float] = time.time
    spare: int = SPARE_FLUSHES
    """Early flushes; 0 in a process that runs on between requests."""
    _tallies: dict[tuple[str, Counted], MetricTally] = field(default_factory=dict)
    _failed_steps: dict[tuple[str, str], MetricTally] = field(default_factory=dict)
    _pending: int = 0
    _flushed: float = 0.0
    _spent: float = 0.0
    """Early flushes used up."""

    def count_answer(self, model: str, track: Counted, latency_ms: float) -> None:
        """Count a request that was answered; its latency is without loading."""
        tally = self._tally(model, track)
        tally.latencies_ms.append(round(latency_ms, 3))
        self._flush_when_due()

    def count_failure(self, model: str, track: Counted) -> None:
        """Count a request that failed by the version's fault."""
        self._tally(model, track).errors += 1
        self._flush_when_due()

    def count_failed_steps(self, model: str, steps: Collection[str]) -> None:
        """Count the steps of a pipeline that failed in one run, even if others stood in for them.

        It is not a request, and is printed with one.
        """
        for step in steps:
            tally = self._failed_steps.setdefault((model, step), MetricTally())
            tally.errors += 1
            tally.last = self.clock()
        self._flush_when_due()

    def flush(self) -> None:
        """Print all tallies, and start new ones."""
        for (model, track), tally in self._tallies.items():
            self.write(json.dumps(metric_document(model, track, tally)))
        for (model, step), tally in self._failed_steps.items():
            self.write(json.dumps(failed_step_document(model, step, tally)))
        self._tallies.clear()
        self._failed_steps.clear()
        self._pending = 0
        now = self.clock()
        self._spent = self._spent_at(now) + 1
        self._flushed = now

    def _tally(self, model: str, track: Counted) -> MetricTally:
        tally = self._tallies.get((model, track))
        if tally is None:
            tally = self._tallies[model, track] = MetricTally()
        tally.requests += 1
        tally.last = self.clock()
        self._pending += 1
        return tally

    def _flush_when_due(self) -> None:
        now = self.clock()
        due = self._pending >= FLUSH_REQUESTS or now - self._flushed >= FLUSH_SECONDS
        if due or self._spent_at(now) + 1 <= self.spare:
            self.flush()

    def _spent_at(self, now: float) -> float:
        return max(0.0, self._spent - (now - self._flushed) / FLUSH_SECONDS)


def metric_document(model: str, track: Counted, tally: MetricTally) -> dict[str, Any]:
    """Write a tally as an embedded metric document."""
    values: dict[str, Any] = {"Requests": tally.requests, "Errors": tally.errors}
    if tally.latencies_ms:
        values["Latency"] = tally.latencies_ms
    return _document(DIMENSIONS, (model, track), values, tally.last)


def failed_step_document(model: str, step: str, tally: MetricTally) -> dict[str, Any]:
    """Write how often a step failed as an embedded metric document."""
    return _document(STEP_DIMENSIONS, (model, step), {"Errors": tally.errors}, tally.last)


def _document(
    dimensions: Sequence[str], of: Sequence[str], values: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    metrics = [
        {"Name": name, "Unit": METRICS[name], "StorageResolution": RESOLUTION_SECONDS}
        for name in values
    ]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
    return {
        "_aws": {"Timestamp": int(seconds * 1000), "CloudWatchMetrics": [directive]},
        **dict(zip(dimensions, of, strict=True)),
        **values,
    }
