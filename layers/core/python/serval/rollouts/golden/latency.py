"""Time a loaded model: the latency of a request, and the batch size of the best throughput."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from serval.errors import ServalError
from serval.inference.loaded import Loaded
from serval.inference.run import is_for_task, run_version_task
from serval.inference.runtimes import RuntimeFailed
from serval.models.tensor import Tensor
from serval.pipelines.model import PipelineModel
from serval.rollouts.golden.memory import MemoryMeter
from serval.rollouts.golden.sample import repeat_rows, size_bytes

Clock = Callable[[], float]
"""Returns seconds from any origin."""
LEAST_RUNS, ENOUGH_RUNS = 30, 5_000
LEAST_SECONDS, MOST_SECONDS = 0.5, 20.0
BATCH_SECONDS = 3.0
"""Time for the whole search for the best batch size."""
SIZE_SECONDS = 0.1
"""Time for one size, which runs at least once after a run to warm up."""
SIZE_RUNS = 20
INPUT_LIMIT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Latency:
    """Time that one request takes, in milliseconds."""

    p50_ms: float
    p95_ms: float
    runs: int
    steps_p50_ms: Mapping[str, float]
    """Step → median of the runs in which it ran; of a pipeline alone."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The rows per run with the highest throughput."""

    rows: int
    rows_per_second: float
    stopped: str = ""
    """Why larger sizes were not tried; empty if all were, up to the bundle's limit."""


def run(loaded: Loaded, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Run a model for all of its outputs, or its task."""
    if is_for_task(loaded, inputs):
        return run_version_task(loaded, inputs)
    return loaded.model.run(inputs, loaded.record.signature.outputs)


def measure_latency(loaded: Loaded, requests: Sequence[Sequence[Tensor]], clock: Clock) -> Latency:
    """Run the requests in turn, for 30 runs and 0.5 s, or for 5,000 runs, or for 20 s."""
    taken: list[float] = []
    steps: dict[str, list[float]] = {}
    started = now = clock()
    for inputs in cycle(requests):
        run(loaded, inputs)
        before, now = now, clock()
        taken.append(now - before)
        if isinstance(loaded.model, PipelineModel):
            for name, milliseconds in loaded.model.times.steps_ms:
                steps.setdefault(name, []).append(milliseconds)
        if is_enough(len(taken), now - started):
            break
    taken.sort()
    return Latency(
        quantile(taken, 0.5) * 1e3,
        quantile(taken, 0.95) * 1e3,
        len(taken),
        {name: quantile(sorted(each), 0.5) for name, each in steps.items()},
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values.

    ``numpy.percentile`` needs a part of numpy that the layer leaves out.
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def is_enough(runs: int, seconds: float) -> bool:
    """Whether so many runs in so much time tell the latency."""
    if seconds >= MOST_SECONDS or runs >= ENOUGH_RUNS:
        return True
    return runs >= LEAST_RUNS and seconds >= LEAST_SECONDS


def best_batch_size(
    loaded: Loaded, row: Sequence[Tensor], most_rows: int, memory: MemoryMeter, clock: Clock
) -> BatchSize:
    """Find the batch size with the most rows per second among 1, 2, 4, … and ``most_rows``.

    The search ends before a size that might take too long or too much memory, since no caller
    may ever send so much.
    """
    best, stopped = BatchSize(1, 0.0), ""
    deadline = clock() + BATCH_SECONDS
    resting_mib = memory.peak_mib()
    for rows in batch_sizes(most_rows):
        if size_bytes(row) * rows > INPUT_LIMIT_BYTES:
            stopped = f"the inputs of {rows} rows are over {INPUT_LIMIT_BYTES // 2**20} MiB"
        elif memory.would_exceed(resting_mib):
            stopped = f"{rows} rows might take more memory than the function has"
        if stopped:
            break
        try:
            seconds = fastest_run_seconds(loaded, repeat_rows(row, rows), clock)
        except (ServalError, RuntimeFailed) as error:
            stopped = f"{rows} rows fail: {error}"
            break
        best = max(best, BatchSize(rows, rows / seconds), key=lambda size: size.rows_per_second)
        if clock() + 4 * seconds > deadline:
            stopped = f"more than {rows} rows take too long to try"
            break
    return BatchSize(best.rows, best.rows_per_second, stopped if best.rows < most_rows else "")


def batch_sizes(most_rows: int) -> Iterator[int]:
    """Yield 1, 2, 4, … and the largest size itself."""
    rows = 1
    while rows < most_rows:
        yield rows
        rows *= 2
    yield most_rows


def fastest_run_seconds(loaded: Loaded, inputs: Sequence[Tensor], clock: Clock) -> float:
    """Time some runs, and return the fastest: the batch is not what slows the others."""
    run(loaded, inputs)
    fastest = float("inf")
    started = now = clock()
    for _ in range(SIZE_RUNS):
        run(loaded, inputs)
        before, now = now, clock()
        fastest = min(fastest, now - before)
        if now - started >= SIZE_SECONDS:
            break
    return max(fastest, 1e-9)
