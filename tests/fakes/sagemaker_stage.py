"""A stage with SageMaker's endpoints, whose servers are small programs of this machine."""

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from serval_cli.local.launcher.patches import sagemaker_endpoints
from serval_cli.local.launcher.patches.sagemaker_endpoints import Endpoints
from serval_cli.local.launcher.sagemaker.server import Program
from serval_cli.local.launcher.sagemaker.storage import ObjectNotFound

SERVER = """
import json, os, sys, threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    running = 0
    most = 0
    third = threading.Barrier(3)

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Handler.running += 1
        Handler.most = max(Handler.most, Handler.running)
        if body == b"together":
            with suppress(threading.BrokenBarrierError):
                Handler.third.wait(0.5)
        if body == b"crash":
            os._exit(7)
        said = {
            "model": os.environ["MODEL"],
            "key": os.environ["AWS_ACCESS_KEY_ID"],
            "pid": os.getpid(),
            "body": body.decode(),
            "most": Handler.most,
            "attributes": self.headers["X-Amzn-SageMaker-Custom-Attributes"],
        }
        status = int(body) if body.isdigit() else 200
        Handler.running -= 1
        self.answer(status, json.dumps(said).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

if os.environ["MODEL"] == "broken":
    sys.exit("no such model")
print('{"_aws": {"Timestamp": 1000, "CloudWatchMetrics": [{"Namespace": "Serval", "Metrics": '
      '[{"Name": "Started"}]}]}, "Started": 1}', flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


ROLE = "arn:aws:iam::1:role/endpoint"


MODEL = {
    "ModelName": "m",
    "ExecutionRoleArn": ROLE,
    "PrimaryContainer": {"Image": "i", "Environment": {"MODEL": "one"}},
}


CONFIGURATION: dict[str, Any] = {
    "EndpointConfigName": "c",
    "ProductionVariants": [{"VariantName": "all", "ModelName": "m", "InitialInstanceCount": 1}],
    "AsyncInferenceConfig": {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
        "OutputConfig": {
            "S3OutputPath": "s3://data/out/",
            "S3FailurePath": "s3://data/failed",
            "NotificationConfig": {"SuccessTopic": "arn:ok", "ErrorTopic": "arn:error"},
        },
    },
}
ENDPOINT = {"EndpointName": "e", "EndpointConfigName": "c"}


@dataclass
class InMemoryStorage:
    """Objects by location, and what was published."""

    endpoint: str = ""
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def read(self, location: str) -> bytes:
        if location not in self.objects:
            raise ObjectNotFound(location)
        return self.objects[location][0]

    def write(self, location: str, body: bytes, content_type: str) -> None:
        self.objects[location] = body, content_type

    def publish(self, topic: str, message: str) -> None:
        self.published.append((topic, json.loads(message)))
        self.ended.release()


class Stage:
    """An emulator with the resource types and the service, and nothing else."""

    def __init__(self, folder: Path, idle_seconds: float = 60) -> None:
        program = folder / "server.py"
        program.write_text(SERVER)
        self.storage = InMemoryStorage()
        self.metrics: list[str] = []
        self.emulator: Any = SimpleNamespace(
            app=SimpleNamespace(SERVICE_HANDLERS={}),
            router=SimpleNamespace(SERVICE_PATTERNS={}),
            cloudwatch=SimpleNamespace(
                _store_datum=lambda *args: self.metrics.append(args[1]),
                _evaluate_all_alarms=lambda: None,
            ),
            provisioners=SimpleNamespace(
                _RESOURCE_HANDLERS={},
                _physical_name=lambda stack, logical_id, max_len: f"{stack}-{logical_id}",
                get_region=lambda: "us-east-1",
                get_account_id=lambda: "1",
            ),
        )
        told = Program((sys.executable, str(program)), {}, folder)
        self.roles: list[str] = []

        def storage(role: str) -> Any:
            self.roles.append(role)
            return self.storage

        def credentials(role: str, name: str) -> dict[str, str]:
            return {"AWS_ACCESS_KEY_ID": f"key of {role} for {name}"}

        self.endpoints = Endpoints(told, storage, credentials, idle_seconds)
        sagemaker_endpoints.apply(self.emulator, self.endpoints)

    def handlers(self, kind: str) -> dict[str, Callable[..., Any]]:
        found: dict[str, Callable[..., Any]] = self.emulator.provisioners._RESOURCE_HANDLERS[
            f"AWS::SageMaker::{kind}"
        ]
        return found

    def declare(self, environment: str = "one") -> None:
        container = {"Image": "i", "Environment": {"MODEL": environment}}
        self.handlers("Model")["create"]("M", MODEL | {"PrimaryContainer": container}, "s")
        self.handlers("EndpointConfig")["create"]("C", CONFIGURATION, "s")
        self.handlers("Endpoint")["create"]("E", ENDPOINT, "s")

    def call(self, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, Any]:
        """Call the service; gives status, headers and the JSON that it answers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, said, text = asyncio.run(
            self.emulator.app.SERVICE_HANDLERS["sagemaker"]("POST", path, named, body, {})
        )
        return status, said, json.loads(text)

    def invoke(self, body: bytes) -> Any:
        return self.call("/endpoints/e/invocations", body)[2]

    def submit(self, body: bytes = b"", **headers: str) -> tuple[int, Any, Any]:
        given = {f"x_amzn_sagemaker_{name}": value for name, value in headers.items()}
        return self.call("/endpoints/e/async-invocations", body, **given)

    def describe(self, operation: str, **asked: str) -> tuple[int, Any, Any]:
        return self.call("/", json.dumps(asked).encode(), x_amz_target=f"SageMaker.{operation}")

    def capacity(self) -> int:
        described = self.describe("DescribeEndpoint", EndpointName="e")[2]
        return int(described["ProductionVariants"][0]["CurrentInstanceCount"])

    def notice(self) -> tuple[str, dict[str, Any]]:
        assert self.storage.ended.acquire(timeout=60)
        return self.storage.published.pop(0)
