"""Measure the fleet worker's throughput against a bare batched ONNX Runtime loop.

Run as ``python -m benchmarks.worker``. A real worker takes ResNet-50-shaped requests, whose bodies
lie in S3, from the embedded emulator's queue; the bare loop runs the same session on batches in
memory. Both use one thread: on a small machine the emulator, which stands for all of AWS, needs the
other core. Rounds alternate, as machines drift. On a shared machine, CPU time confirms the median
of their ratios.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.graphs import resnet50
from serval.fleets.state import FleetState, WorkerState
from serval.inference.runtimes.onnx import Execution, OnnxModel
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.requests.request import AsyncRequest
from tests.fakes.worker_stage import FLEET, WorkerStage, await_that, worker_stage

MODEL = "resnet"
ROUNDS = 9
REQUESTS = 48
"""Requests in a round."""
ROWS = 16
"""Rows in a batch."""
IMAGE = (3, 224, 224)
CLASSES = 1000
SECONDS = 300.0


def build_body(image: npt.NDArray[Any]) -> tuple[bytes, int]:
    """Build a request for one image as a binary tensor; return it with its JSON part's length."""
    raw = image.tobytes()
    item = {
        "name": "image",
        "shape": [1, *IMAGE],
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
    return head + raw, len(head)


def bare_loop(model: OnnxModel, images: npt.NDArray[Any]) -> float:
    """Run batches in a loop, and return the seconds."""
    outputs = [TensorSpec("logits", "FP32", (-1, CLASSES))]
    batch = [Tensor("image", "FP32", np.concatenate([images] * ROWS)[:ROWS])]
    started = time.perf_counter()
    for _ in range(REQUESTS // ROWS):
        model.run(batch, outputs)
    return time.perf_counter() - started


def run_worker(stage: WorkerStage, number: int, bodies: Sequence[tuple[bytes, int]]) -> float:
    """Fill the queue of the paused model, let the worker empty it, and return the seconds."""
    pause_models(stage, MODEL)
    ids = [f"r{number}-{one}" for one in range(REQUESTS)]
    for one, request_id in enumerate(ids):
        submit(stage, request_id, bodies[one % len(bodies)])
    pause_models(stage)
    # Polled rarely: looking at all rows takes the emulator time that it needs for the worker.
    stage.await_closed(ids, SECONDS, every=1.0)
    rows = list(stage.store.find_all(ids).values())
    failed = [row.error for row in rows if row.status != "succeeded" or row.attempts != 1]
    if failed:
        raise SystemExit(f"{len(failed)} requests did not succeed at once: {failed[0]}")
    return span_seconds(rows)


def submit(stage: WorkerStage, request_id: str, sent: tuple[bytes, int]) -> None:
    """Submit one request."""
    stage.submit(request_id, MODEL, sent[0], header_length=sent[1])


def pause_models(stage: WorkerStage, *models: str) -> None:
    """Pause models, and wait until the worker knows."""
    state = stage.states.find(FLEET)
    stage.states.save(state, FleetState(fleet=FLEET, paused=models, revision=state.revision))
    before = last_report(stage).seen
    await_that(lambda: last_report(stage).seen > before, "the worker's report")


def last_report(stage: WorkerStage) -> WorkerState:
    """Return the worker's last report."""
    [said] = stage.states.workers(FLEET)
    return said


def span_seconds(rows: Sequence[AsyncRequest]) -> float:
    """Return the seconds from the first start to the last result."""
    first = min(row.started or "" for row in rows)
    last = max(row.finished or "" for row in rows)
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


@dataclass(slots=True)
class Rounds:
    """The measurements of one contender's rounds."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def cells(self) -> tuple[str, str]:
        """Requests per second, and per second of CPU time."""
        done = len(self.seconds) * REQUESTS
        return f"{REQUESTS / median(self.seconds):.2f}", f"{done / self.cpu_seconds:.2f}"


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(stage: WorkerStage, artifact: Path) -> tuple[Rounds, Rounds, float]:
    """Alternate rounds of the bare loop and the worker; return the worker's seconds in runs too."""
    images = np.random.default_rng(0).random((8, *IMAGE), np.float32)
    bodies = [build_body(image[None]) for image in images]
    model = OnnxModel(artifact, 0, execution=Execution(threads=1))
    bare, measured = Rounds(), Rounds()
    process = stage.start(output=subprocess.DEVNULL)
    submit(stage, "warm", bodies[0])
    stage.await_closed(["warm"], SECONDS)
    pause_models(stage, MODEL)
    bare_loop(model, images)
    busy = last_report(stage).busy_seconds
    for number in range(ROUNDS):
        before = time.process_time()
        bare.seconds.append(bare_loop(model, images))
        bare.cpu_seconds += time.process_time() - before
        before = cpu_seconds(process.pid)
        measured.seconds.append(run_worker(stage, number, bodies))
        measured.cpu_seconds += cpu_seconds(process.pid) - before
    pause_models(stage, MODEL)
    return bare, measured, last_report(stage).busy_seconds - busy


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, worker_stage(Path(folder), MODEL) as stage:
        bundle = {"batching": {"max_batch_size": ROWS}}
        stage.publish(MODEL, "1", resnet50().SerializeToString(), bundle)
        bare, measured, busy = measure(stage, Path(folder) / MODEL / "1" / "model.onnx")
    table = Table(
        title=f"ResNet-50-shaped requests: {ROUNDS} rounds of {REQUESTS}, batches of {ROWS}, one "
        "ORT thread"
    )
    for column in ("", "a second", "a CPU second", "of the bare loop", "of its time in runs"):
        table.add_column(column, justify="right" if column else "left")
    ratio = median(loop / own for loop, own in zip(bare.seconds, measured.seconds, strict=True))
    in_runs = busy / sum(measured.seconds)
    table.add_row("bare loop", *bare.cells, "", "")
    table.add_row("worker", *measured.cells, f"{ratio:.3f}", f"{in_runs:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
