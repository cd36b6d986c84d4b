"""The embedded emulator alone, with a registry table and an artifact bucket that can be filled."""

import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.artifacts import S3Artifacts
from serval.models.route import Route
from serval.models.storage import version_prefix
from serval.models.version import ModelVersion
from serval_cli.local.aws_client import CONFIG, create_session
from serval_cli.local.server import HOST, await_ready, environment
from tests.fakes.tables import create_registry_table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "build" / "environments" / "platform" / "bin" / "ministack"
TABLE, BUCKET = "registry", "artifacts"


@dataclass(frozen=True, slots=True)
class Emulator:
    """What ``infer`` reads, and the settings with which it finds it."""

    url: str
    keys: ApiKeyStore
    registry: DynamoDBRegistry
    artifacts: S3Artifacts

    @property
    def settings(self) -> Mapping[str, str]:
        """Give ``infer``'s settings."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "REGISTRY_TABLE": TABLE,
            "ARTIFACT_BUCKET": BUCKET,
        }

    def publish(self, record: ModelVersion, folder: Path) -> None:
        """Make a version the stable one; its files and those of its forms lie in the folder."""
        prefix = version_prefix(record.model, record.version)
        for file in (*record.files, *(file for form in record.forms for file in form.files)):
            self.artifacts.stage(folder / file.path, prefix + file.path)
        self.registry.record(record)
        self.registry.set_route(record.model, Route(record.version), None)


def any_port() -> int:
    """Give a port that nobody uses; tests of other processes ask for one at the same time."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def first_of_free_ports(count: int = 8) -> int:
    """Return a port that nobody uses, nor those after it, below those that are given to anybody."""
    while True:
        first = random.randrange(20_000, 30_000)
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind((HOST, port))
            except OSError:
                continue
            return first


@contextmanager
def emulator() -> Iterator[Emulator]:
    """Run an emulator of its own, and see that nothing of it is left."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        port = any_port()
        log = Path(folder) / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [str(PROGRAM)],
                cwd=folder,
                env=environment(port, Path(folder)),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        with process:
            try:
                await_ready(process, port, Path(folder) / f"ministack-{port}.pid", log)
                yield prepared(f"http://{HOST}:{port}")
            finally:
                process.kill()


def prepared(url: str) -> Emulator:
    """Create the table and the bucket."""
    aws: boto3.Session = create_session()
    s3: S3Client = aws.client("s3", endpoint_url=url, config=CONFIG)
    s3.create_bucket(Bucket=BUCKET)
    dynamodb = aws.resource("dynamodb", endpoint_url=url, config=CONFIG)
    table = create_registry_table(dynamodb, TABLE)
    return Emulator(url, ApiKeyStore(table), DynamoDBRegistry(table), S3Artifacts(s3, BUCKET))
