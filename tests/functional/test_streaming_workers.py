"""Streams of real worker processes over an emulator: killed, reclaimed, read by many at once."""

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
import pytest

from serval.bundles.onnx_signature import read_signature
from serval.models.storage import record_key
from serval.models.version import BundleFile
from serval.requests.stream.follow import Follow, StreamEnd
from serval.requests.stream.piece import Piece
from serval.tasks.parameters import Parameters
from tests.fakes.inference import version_record
from tests.fakes.worker_stage import WAIT_SECONDS, WorkerStage, await_that, worker_stage
from tests.tasks.harness import RECORDED, open_folder
from tests.tasks.long_texts import make_room

pytestmark = pytest.mark.slow

MODEL, COUNT, LEAVING, READERS = "writer", 100, 10, 12
Process = subprocess.Popen[str]
TOKENS = 32
PATIENT: dict[str, Any] = {"LEASE_SECONDS": "20"}
"""On a busy machine a worker may be late to extend a lease, which is taken from it then."""
ASKED = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": True}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a small language model that has room for a longer text."""
    folder = tmp_path_factory.mktemp("bundle") / "llama"
    shutil.copytree(RECORDED / "llama" / "bundle", folder)
    make_room(folder)
    return folder


@pytest.fixture(scope="module")
def stage(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerStage]:
    with worker_stage(tmp_path_factory.mktemp("streams"), MODEL) as made:
        publish(made, bundle)
        yield made


def publish(stage: WorkerStage, folder: Path) -> None:
    """Make a recorded model of text-generation the stable version."""
    artifact = (folder / "model.onnx").read_bytes()
    signature = read_signature(onnx.load_from_string(artifact))
    record = version_record(MODEL, "1", artifact, signature)
    beside = [
        BundleFile(path.name, sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
        for path in folder.iterdir()
        if path.name not in ("model.onnx", "task.json")
    ]
    bundle = {"task": {"name": "text-generation"}, "batching": {"max_batch_size": 50}}
    record = replace(record, files=(*record.files, *beside), bundle=bundle)
    stage.emulator.publish(record, folder)
    stage.emulator.artifacts.write(record_key(MODEL, "1"), record.to_json())


def body(text: str, seed: int) -> bytes:
    inputs = [
        {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]},
        {
            "name": "parameters",
            "shape": [1],
            "datatype": "BYTES",
            "data": [json.dumps(ASKED | {"seed": seed})],
        },
    ]
    return json.dumps({"inputs": inputs}).encode()


@dataclass
class StreamReader:
    """Reads a stream to its end; after some pieces it goes away once, and comes back."""

    stage: WorkerStage
    request_id: str
    leaves_after: int | None
    pieces: list[Piece] = field(default_factory=list)
    status: str = ""

    def read(self) -> None:
        """Read until the end."""
        while not self.status:
            self._connect()

    def _connect(self) -> None:
        row = self.stage.store.find(self.request_id)
        assert row is not None
        after = self.pieces[-1].number if self.pieces else 0
        for found in Follow(self.stage.log, self.stage.store).follow(row, after, WAIT_SECONDS):
            if isinstance(found, StreamEnd):
                self.status = found.request.status
            elif found is not None:
                self.pieces.append(found)
                if self.leaves_after == len(self.pieces):
                    return


def test_every_text_is_whole_though_a_worker_is_killed_and_one_reclaimed(
    stage: WorkerStage, bundle: Path
) -> None:
    ids = [f"s{number}" for number in range(COUNT)]
    for number, request_id in enumerate(ids):
        stage.submit(request_id, MODEL, body(f"Train {number}", number), stream=True)
    workers = {name: stage.start(WORKER_ID=name, **PATIENT) for name in ("w0", "w1")}
    readers = [
        StreamReader(stage, one, 7 if number < LEAVING else None) for number, one in enumerate(ids)
    ]
    struck = threading.Thread(target=strike, args=(stage, ids, workers))
    struck.start()
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(StreamReader.read, readers))
    struck.join()
    task = open_folder(bundle)
    for number, reader in enumerate(readers):
        assert reader.status == "succeeded"
        assert [piece.number for piece in reader.pieces] == list(range(1, len(reader.pieces) + 1))
        assert len(reader.pieces) == TOKENS
        [whole] = task.answer([f"Train {number}"], Parameters(ASKED | {"seed": number}))
        read = "".join(one.text for one in reader.pieces if not one.special)
        assert whole == {"generated_text": read}
    rows = stage.store.find_all(ids).values()
    assert {row.attempts for row in rows if row.attempt == 2} == {1, 2}, "both were struck"


def find_writer(stage: WorkerStage, ids: Sequence[str], others: Sequence[str] = ()) -> str:
    """Wait for a worker that has begun to write, beside others; return what rows call it."""
    found: list[str] = []

    def writes() -> bool:
        rows = stage.store.find_all(ids).values()
        running = {row.runner: row.id for row in rows if row.status == "running" and row.runner}
        found[:] = [
            runner
            for runner, one in running.items()
            if runner not in others and stage.log.read(one, 0)
        ]
        return bool(found)

    await_that(writes, f"a worker that writes, beside {others}")
    return found[0]


def strike(stage: WorkerStage, ids: Sequence[str], workers: Mapping[str, Process]) -> None:
    """Kill the first worker that writes, and stop the other one in the middle of its streams."""
    killed = find_writer(stage, ids)
    workers[killed.partition("-")[0]].kill()
    stopped = workers[find_writer(stage, ids, [killed]).partition("-")[0]]
    stopped.send_signal(signal.SIGTERM)
    stage.start(WORKER_ID="w2", **PATIENT)
    stage.start(WORKER_ID="w3", **PATIENT)
    assert stopped.wait(WAIT_SECONDS) == 0
