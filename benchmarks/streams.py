"""Measure the way of a token from its birth in a fleet's worker to the event that says so.

Run as ``python -m benchmarks.streams``. A worker's process writes 30 tokens a second and notes when
each is born; an emulator has the tables and queues. The text is read as the function ``stream``
reads it, chunk by chunk; what its URL adds is in decision 33.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from serval.http.protocols.live_events import tell_chunks
from serval.requests.cancel import Cancel
from serval.requests.stream.follow import Follow
from serval.requests.stream.live import LiveText, ReadLive
from serval.tasks.openai.chunks import ChunkWriter
from serval.worker.streams.text import GeneratedPieces
from tests.fakes.worker_stage import ROOT, WorkerStage, worker_stage
from tests.functional.test_streaming_workers import MODEL, publish
from tests.local.fleet_caller import p50, p95
from tests.tasks.harness import RECORDED
from tests.tasks.long_texts import make_room

TOKENS, PACE_SECONDS, ROUNDS = 120, 1 / 30, 3
BORN = "born"


def write_and_tell() -> None:
    """Be a worker that keeps a pace, and prints when each token is born."""
    write: Callable[[GeneratedPieces], Iterator[Any]] = GeneratedPieces.pieces

    def paced(text: GeneratedPieces) -> Iterator[Any]:
        due = time.monotonic()
        for piece in write(text):
            due += PACE_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            # At once: the worker's other threads print, too.
            os.write(1, f"\n{BORN} {piece.number} {time.time()}\n".encode())
            yield piece

    GeneratedPieces.pieces = paced  # type: ignore[assignment,method-assign]
    sys.argv = ["main.py", "work"]
    runpy.run_path(str(ROOT / "functions" / "worker" / "main.py"), run_name="__main__")


@dataclass
class Births:
    """What a worker prints."""

    process: "subprocess.Popen[str]"
    born: dict[int, float] = field(default_factory=dict)

    def read(self) -> None:
        """Read until the worker ends."""
        for line in self.process.stdout or ():
            if line.startswith(BORN):
                _, number, moment = line.split()
                self.born[int(number)] = float(moment)


def measure(stage: WorkerStage, births: Births, name: str) -> list[float]:
    """Read a text; return the milliseconds from the birth of each token to its event."""
    asked = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS}
    tensors = {"text": "The train", "parameters": json.dumps(asked)}
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
        for name, value in tensors.items()
    ]
    body = json.dumps({"inputs": inputs}).encode()
    births.born.clear()
    row = stage.submit(name, MODEL, body, stream=True)
    follow = Follow(stage.log, stage.store)
    nobody = cast(Any, None)  # this reader never leaves
    cancel = Cancel(stage.store, nobody, nobody)
    reading = ReadLive(follow=follow, cancel=cancel, payloads=stage.data)
    live = LiveText(row, reading, patience=60.0, cancels=False)
    chunks = ChunkWriter({}, is_chat=True, with_usage=False, with_logprobs=False)
    came: dict[int, float] = {}
    for event in tell_chunks(live, lambda: chunks):
        if event.startswith(b"id: "):
            came[int(event.split(b"\n")[0][4:])] = time.time()
    stage.await_closed([row.id])
    return [(moment - births.born[one]) * 1e3 for one, moment in came.items()]


def main() -> None:
    """Print the table."""
    table = Table(
        title=f"from a token's birth to its event, {1 / PACE_SECONDS:.0f} tokens a second"
    )
    for column in ("text", "tokens", "p50 ms", "p95 ms"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "llama"
        shutil.copytree(RECORDED / "llama" / "bundle", bundle)
        make_room(bundle)
        with worker_stage(Path(folder) / "stage", MODEL) as stage:
            publish(stage, bundle)
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.streams", "write"],
                env=stage.environment() | {"PYTHONPATH": f"{ROOT}:{ROOT}/layers/core/python"},
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            stage.processes.append(process)
            births = Births(process)
            threading.Thread(target=births.read, daemon=True).start()
            for text in range(ROUNDS + 1):
                took = measure(stage, births, f"bench-{text}")
                if text:  # the first one loads the version
                    table.add_row(str(text), str(len(took)), f"{p50(took):.0f}", f"{p95(took):.0f}")
    Console().print(table)


if __name__ == "__main__":
    write_and_tell() if sys.argv[1:] == ["write"] else main()
