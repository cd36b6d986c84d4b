"""Five journeys through the library, over fakes, and the files that each of them passes."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from serval_cli.bundle.folder import read_folder
from serval_cli.commands.publish import push
from tests.fakes import batch, inference, submission, worker
from tests.fakes.evaluation import Canary
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage

ROOT = Path(__file__).parents[2]
ROOTS = {ROOT / "layers/core/python": "serval", ROOT / "cli": "serval_cli"}
UPLOADS = ("20261121T101500Z-1a2b3c", "20261121T101600Z-1a2b3c")
ROW = [1.0, 2.0, 3.0]
IMPORTING = "<frozen importlib"


class Passed(dict[str, None]):
    """The files whose functions have run, in the order of their first call."""

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record calls of this thread and of those that it starts."""
        threading.setprofile(self._called)
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(PREFIXES) and not imports(frame):
            root = next(root for root in ROOTS if path.startswith(f"{root}/"))
            self[path.removeprefix(f"{root}/")] = None


PREFIXES = tuple(f"{root / package}/" for root, package in ROOTS.items())


def imports(frame: FrameType | None) -> bool:
    """Tell whether a call is part of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(IMPORTING):
            return True
        frame = frame.f_back
    return False


def realtime(folder: Path) -> Passed:
    """Answer a request whose key, route and version the environment has seen before."""
    stage, passed = inference.bench(folder), Passed()
    stage.edge.grant("srv_good")
    columns = inference.signature("FP32", [-1, 2])
    stage.edge.publish("adder", "1", inference.plus(1), columns)
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    event = inference.event("adder", json.dumps({"inputs": [tensor]}))
    stage.endpoint.reply(event)
    with passed.recording():
        reply = stage.endpoint.reply(event)
    assert reply["statusCode"] == 200
    return passed


def async_request(folder: Path) -> Passed:
    """Submit a request, have a worker run it, and fetch its result."""
    stage, world, passed = submission.Bench(), worker.World(folder), Passed()
    world.registry.add("textgen", "1", 1.0)
    world.submit("r1", payload=worker.row_of(4.0))
    stepped = world.worker()
    submit, get = stage.submit, stage.requests
    event = submission.call("submit", body=submission.inference_request())
    with passed.recording():
        assert submit.reply(event)["statusCode"] == 202
        stepped.work()
    assert world.row("r1").status == "succeeded"
    stage.answer_all(submission.result())
    event = submission.call("requests_get", f"/async/requests/{stage.row.id}")
    with passed.recording():
        assert get.reply(event)["statusCode"] == 200
    return passed


def batch_job(_: Path) -> Passed:
    """Run a CSV file of several shards, from its upload to the summary."""
    stage = batch.BatchStage(measurements={"rows_per_second": 10, "best_batch_size": 7})
    passed, rows = Passed(), b"".join(b"%d,1\n" % number for number in range(1_000))
    event = stage.upload("rows.csv", b"x_0,x_1\n" + rows, {"shard_bytes": 4_000})
    with passed.recording():
        job = stage.run(event)
    assert job.status == "succeeded", job.error
    return passed


def golden_bundle(factor: float) -> dict[str, bytes]:
    """Build a bundle with a golden request."""
    tensor = {"datatype": "FP32", "shape": [1, 3]}
    line = {
        "request": {"inputs": [tensor | {"name": "x", "data": ROW}]},
        "response": {"outputs": [tensor | {"name": "y", "data": [factor * x for x in ROW]}]},
    }
    files = scaling_bundle("iris", factor)
    files["model.yaml"] += b"golden: golden.jsonl\n"
    return files | {"golden.jsonl": json.dumps(line).encode() + b"\n"}


def rollout(folder: Path) -> Passed:
    """Roll out a second version, from its manifest to its promotion."""
    stage, canary, passed = Stage(folder), Canary(), Passed()
    first, second = (
        stage.upload("iris", upload, golden_bundle(factor))
        for upload, factor in zip(UPLOADS, (2.0, 3.0), strict=True)
    )
    stage.roll_out(first)
    with passed.recording():
        stage.roll_out(second)
    while canary.record.status == "running":
        canary.serve(60)
        with passed.recording():
            canary.evaluate()
    assert canary.record.status == "promoted"
    return passed


def pushed(folder: Path) -> Passed:
    """Publish a bundle: check it and upload it."""
    stored, passed = list[str](), Passed()
    for name, content in golden_bundle(2.0).items():
        (folder / name).write_bytes(content)

    class Client:
        """What boto3's S3 client stores."""

        def put_object(self, **request: Any) -> None:
            stored.append(request["Key"])

        def get_paginator(self, _: str) -> Any:
            return SimpleNamespace(paginate=lambda **_: ())

    stage: Any = SimpleNamespace(client=lambda _: Client(), artifact_bucket="artifacts")
    with passed.recording():
        push.send_bundle(read_folder(folder), stage)
    assert stored[-1].endswith("/manifest.json")
    return passed


JOURNEYS: dict[str, Callable[[Path], Passed]] = {
    "A realtime request": realtime,
    "An async request": async_request,
    "A batch job": batch_job,
    "A rollout": rollout,
    "`serval push`": pushed,
}
"""By their headings in docs/architecture.md."""
