"""What a worker is built of: its ports, its identity, and its executors."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from serval.clock import Clock, utc_now
from serval.fleets.state import FleetStates
from serval.models.route import KnownVersions, VersionRegistry
from serval.requests.inbox import Inbox
from serval.requests.ports import CallbackQueue, Payloads, RequestStore
from serval.requests.stream.log import StreamLog
from serval.worker.program.faults import Retries
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.program.machine import SpotNotices, TaskProtection
from serval.worker.queue.finish import BATCHES_FINISHING
from serval.worker.queue.loop import Intervals
from serval.worker.shards.shards import ShardQueue, ShardRunner

CALLS_AT_ONCE = 16
"""Calls of AWS for one batch's rows, bodies and results."""
BEATS_AT_ONCE = 4
APPENDS_AT_ONCE = 16
"""Calls of AWS for streams: their logs, rows and results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a worker needs from outside."""

    inbox: Inbox
    store: RequestStore
    payloads: Payloads
    streams: StreamLog
    callbacks: CallbackQueue
    states: FleetStates
    registry: VersionRegistry
    task: TaskProtection
    spot: SpotNotices | None
    unanswered: tuple[type[Exception], ...]
    """What the ports raise when AWS does not answer."""
    log: Callable[[str], object]
    shard_queue: ShardQueue | None = None
    """None: this worker takes no batch jobs."""
    shard_runner: (
        Callable[[LoadedMemory, KnownVersions, Retries, Callable[[], bool]], ShardRunner] | None
    ) = None
    """Builds what works on shards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerIdentity:
    """Which worker this is, and what it works on."""

    worker: str
    fleet: str
    accelerator: str
    """What the worker runs on, in words."""
    models: Sequence[str]
    lease: timedelta
    """How long the worker is taken to be alive after a heartbeat."""
    poll_seconds: int
    """How long a queue is asked to wait for a message."""
    intervals: Intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class Executors:
    """The clocks, and the threads that call AWS."""

    calls: Executor
    beats: Executor
    finishes: Executor
    appends: Executor
    clock: Clock = utc_now
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] | None = None
    """Waits before another attempt; by default until then, or until the worker is stopped."""

    @classmethod
    def of_threads(cls) -> "Executors":
        """Build executors that make many calls at once."""
        return cls(
            calls=ThreadPoolExecutor(CALLS_AT_ONCE, "call"),
            beats=ThreadPoolExecutor(BEATS_AT_ONCE, "beat"),
            finishes=ThreadPoolExecutor(BATCHES_FINISHING, "finish"),
            appends=ThreadPoolExecutor(APPENDS_AT_ONCE, "append"),
        )
