"""An emulator with one fleet's tables, queues and buckets, and real worker processes over it."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import onnx

from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.dynamodb.streams import StreamTable
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.queues import ModelQueues
from serval.bundles.onnx_signature import read_signature
from serval.clock import timestamp, utc_now
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.resource_names import callbacks_queue_name, dead_letter_queue_name, queue_name
from serval.models.signature import Signature
from serval.models.storage import record_key
from serval.requests.request import INLINE_BYTES, AsyncRequest, request_key
from serval_cli.local import aws_client
from serval_cli.local.server import HOST
from tests.fakes.emulator import BUCKET, TABLE, Emulator, emulator
from tests.fakes.inference import version_record
from tests.fakes.requests import async_request
from tests.fakes.tables import create_requests_table, create_streams_table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[2]
MAIN = ROOT / "functions" / "worker" / "main.py"
STAGE, FLEET, REQUESTS, STREAMS, DATA = "test", "gpu", "requests", "streams", "data"
WAIT_SECONDS, EVERY_SECONDS = 300.0, 0.02
STOP_SECONDS = 8


@dataclass
class WorkerStage:
    """What workers and their tests share."""

    emulator: Emulator
    models: Sequence[str]
    store: RequestTable
    log: StreamTable
    queues: ModelQueues
    data: DataBucket
    states: FleetTable
    folder: Path
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)

    def publish(
        self,
        model: str,
        version: str,
        artifact: bytes,
        bundle: Mapping[str, Any] | None = None,
        runtime: str = "onnx",
        sign: Signature | None = None,
    ) -> None:
        """Make a version the stable one; its signature is the graph's unless one is given."""
        sign = sign or read_signature(onnx.load_from_string(artifact))
        record = version_record(model, version, artifact, sign)
        record = replace(record, bundle=bundle or {}, runtime=runtime)
        folder = self.folder / model / version
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(artifact)
        self.emulator.publish(record, folder)
        self.emulator.artifacts.write(record_key(model, version), record.to_json())

    def submit(self, request_id: str, model: str, body: bytes, **members: Any) -> AsyncRequest:
        """Write a request's row, and send its message."""
        now = timestamp(utc_now())
        row = async_request(
            request_id, model=model, fleet=FLEET, created=now, updated=now, **members
        )
        if len(body) <= INLINE_BYTES:
            row = replace(row, payload=body, payload_bytes=len(body))
        else:
            key = request_key(request_id)
            self.data.put(key, body)
            row = replace(row, payload=None, payload_key=key, payload_bytes=len(body))
        assert self.store.create(row)
        self.queues.send(model, request_id)
        return row

    def environment(self, **more: str) -> dict[str, str]:
        """Give a worker's environment."""
        fleet = DeployedFleet(name=FLEET, accelerator="nvidia", models=tuple(self.models))
        return aws_client.environment(self.emulator.url) | {
            "PYTHONPATH": str(ROOT / "layers" / "core" / "python"),
            "STAGE": STAGE,
            "FLEET": FLEET,
            "FLEETS": Fleets({FLEET: fleet}).to_text(),
            "REGISTRY_TABLE": TABLE,
            "REQUESTS_TABLE": REQUESTS,
            "STREAMS_TABLE": STREAMS,
            "ARTIFACT_BUCKET": BUCKET,
            "DATA_BUCKET": DATA,
            "LEASE_SECONDS": "6",
            "REPORT_SECONDS": "1",
            "STOP_SECONDS": str(STOP_SECONDS),
            "THREADS": "1",
            "MEMORY_MIB": "2000",
            **more,
        }

    def start(
        self, program: str = "work", output: int | None = None, **more: str
    ) -> "subprocess.Popen[str]":
        """Start a worker; its output goes to the test's own, or where it says."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(MAIN), program],
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            text=True,
        )
        self.processes.append(process)
        return process

    @contextmanager
    def serving(self, **more: str) -> Iterator[str]:
        """Run the worker as a server; gives its URL."""
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        process = self.start("serve", None, PORT=str(port), **more)
        url = f"http://{HOST}:{port}"
        await_that(
            lambda: answers(f"{url}/ping") or process.poll() is not None, "the server to answer"
        )
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0

    def await_closed(
        self,
        request_ids: Sequence[str],
        seconds: float = WAIT_SECONDS,
        every: float = EVERY_SECONDS,
    ) -> None:
        """Wait until requests have ended."""

        def closed() -> bool:
            rows = self.store.find_all(request_ids)
            return len(rows) == len(set(request_ids)) and not any(r.open for r in rows.values())

        await_that(closed, f"{len(request_ids)} requests to end", seconds, every)

    def stop(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    """Tell whether something answers well."""
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def await_that(
    condition: Callable[[], bool],
    what: str,
    seconds: float = WAIT_SECONDS,
    every: float = EVERY_SECONDS,
) -> None:
    """Look again and again until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(every)


@contextmanager
def worker_stage(folder: Path, *models: str) -> Iterator[WorkerStage]:
    """Run an emulator with what the workers of a fleet need, and see that nothing is left."""
    with emulator() as running:
        aws, config = aws_client.create_session(), aws_client.CONFIG
        dynamodb = aws.resource("dynamodb", endpoint_url=running.url, config=config)
        sqs: SQSClient = aws.client("sqs", endpoint_url=running.url, config=config)
        s3: S3Client = aws.client("s3", endpoint_url=running.url, config=config)
        s3.create_bucket(Bucket=DATA)
        for model in models:
            for name in (queue_name(STAGE, model), dead_letter_queue_name(STAGE, model)):
                sqs.create_queue(QueueName=name)
        sqs.create_queue(QueueName=callbacks_queue_name(STAGE))
        stage = WorkerStage(
            running,
            models,
            RequestTable(create_requests_table(dynamodb, REQUESTS)),
            StreamTable(create_streams_table(dynamodb, STREAMS)),
            ModelQueues(sqs, STAGE),
            DataBucket(s3, DATA),
            FleetTable(dynamodb.Table(TABLE)),
            folder,
        )
        try:
            yield stage
        finally:
            stage.stop()
