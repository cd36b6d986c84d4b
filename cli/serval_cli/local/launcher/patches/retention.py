"""Bound the history that the emulator keeps, which would otherwise grow forever.

The stage's own data, such as rows, objects and messages, is no history and stays.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = (
    "cloudwatch/_evict_old_metrics",
    "cloudwatch/_history_entries",
    "cloudwatch/_metric_bucket",
    "cloudwatch_logs/_append_log_events",
    "cloudwatch_logs/_log_groups",
    "eventbridge/_events_log_list",
    "lambda_svc/_emit_lambda_logs",
    "stepfunctions/_add_event",
)
LOG_BYTES = 4 * 1024 * 1024
"""Limit per function: about 3,000 invocations that print nothing."""
STREAM_BYTES, EVENT_BYTES = 800, 300
"""Overhead of a stream and of a line; each invocation has its own stream."""
METRIC_POINTS = 50_000
"""Limit per metric: more than a rollout's window holds."""
EVENTS = 1000
HISTORIES = 200
"""Finished executions whose steps can still be read."""
FINISHED = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")


def apply(emulator: Emulator) -> None:
    """Drop the oldest entries in favour of new ones.

    The emulator would look at the age of every point for every request about metrics.
    """
    emulator.cloudwatch._evict_old_metrics = lambda: None
    keep_newest(emulator.cloudwatch, "_metric_bucket", METRIC_POINTS)
    keep_newest(emulator.cloudwatch, "_history_entries", EVENTS)
    keep_newest(emulator.eventbridge, "_events_log_list", EVENTS)
    keep_histories(emulator.stepfunctions)
    keep_logs(emulator.lambda_svc, emulator.cloudwatch_logs)


def keep_newest(module: Any, name: str, limit: int) -> None:
    """Bound a list that a function of the emulator returns for appending."""
    find: Callable[..., list[Any]] = getattr(module, name)

    def find_bounded(*args: Any) -> list[Any]:
        found = find(*args)
        if len(found) >= limit:
            # A tenth at a time, since the rest has to move.
            del found[: limit // 10]
        return found

    setattr(module, name, find_bounded)


def keep_histories(stepfunctions: Any) -> None:
    """Drop the steps of all but the last 200 finished executions."""
    add = stepfunctions._add_event
    finished: deque[dict[str, Any]] = deque()

    def add_bounded(execution: dict[str, Any], event_type: str, *details: Any) -> Any:
        event = add(execution, event_type, *details)
        if event_type in FINISHED:
            finished.append(execution)
            if len(finished) > HISTORIES:
                finished.popleft()["events"] = []
        return event

    stepfunctions._add_event = add_bounded


def keep_logs(service: Any, logs: Any) -> None:
    """Drop the oldest invocations from each function's log."""
    emit, append = service._emit_lambda_logs, logs._append_log_events
    kept: dict[str, FunctionLog] = {}
    added = threading.local()

    def measure(stream: Any, events: list[dict[str, Any]]) -> None:
        append(stream, events)
        added.bytes = STREAM_BYTES + sum(EVENT_BYTES + len(one["message"]) for one in events)

    def emit_bounded(func: dict[str, Any], *args: Any, **options: Any) -> None:
        added.bytes = 0
        emit(func, *args, **options)
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        group = group or f"/aws/lambda/{config.get('FunctionName')}"
        if added.bytes:
            log = kept.setdefault(group, FunctionLog())
            log.add(added.bytes, logs._log_groups[group]["streams"])

    service._emit_lambda_logs, logs._append_log_events = emit_bounded, measure


class FunctionLog:
    """The sizes of a function's log streams, oldest first."""

    def __init__(self, limit_bytes: int = LOG_BYTES) -> None:
        self._limit = limit_bytes
        self._sizes: deque[int] = deque()
        self._total = 0
        self._lock = threading.Lock()

    def add(self, size: int, streams: dict[str, Any]) -> None:
        """Add a stream, dropping the oldest ones while the log is too large."""
        with self._lock:
            self._sizes.append(size)
            self._total += size
            while self._total > self._limit and len(self._sizes) > 1:
                self._total -= self._sizes.popleft()
                del streams[next(iter(streams))]
