"""Measure the way of a token from its birth in a fleet's worker to the event that says so.

Run as ``python -m benchmarks.streams``. ``benchmarks.paced_worker`` writes; an emulator has the
tables and queues. The text is read as the function ``stream`` reads it, chunk by chunk; the whole
way to a caller is measured by ``benchmarks.http_streams``.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from benchmarks import paced_worker
from benchmarks.paced_worker import PACE_SECONDS, read_births
from serval.http.protocols.live_events import tell_chunks
from serval.requests.cancel import Cancel
from serval.requests.stream.follow import Follow
from serval.requests.stream.live import LiveText, ReadLive
from serval.tasks.openai.chunks import ChunkWriter
from tests.fakes.worker_stage import ROOT, WorkerStage, worker_stage
from tests.functional.test_streaming_workers import MODEL, publish
from tests.local.fleet_caller import p50, p95
from tests.tasks.harness import RECORDED
from tests.tasks.long_texts import make_room

TOKENS, ROUNDS = 120, 3


@dataclass
class Births:
    """What a worker prints."""

    process: "subprocess.Popen[str]"
    born: dict[int, float] = field(default_factory=dict)

    def read(self) -> None:
        """Read until the worker ends."""
        for number, moment in read_births(self.process.stdout or ()):
            self.born[number] = moment


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
                [sys.executable, "-P", paced_worker.__file__, "work"],
                env=stage.environment(),
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
    main()
