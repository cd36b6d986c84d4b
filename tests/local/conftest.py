"""What these tests run on: the real stacks on the embedded platform, or the emulator alone.

A stage is deployed for the examples that Lambda runs and for the fleet models of ``fleet_models``.
``SERVAL_TEST_STATE`` names the state folder of one that already runs, which saves its start:
``python -m tests.local.fleet_models FOLDER`` writes what it has to be started with.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.config import Config

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval_cli.local.aws_client import CONFIG, create_session
from serval_cli.local.state_folder import StateFolder
from tests.at_once import GROUPS
from tests.fakes.emulator import emulator
from tests.fakes.receivers import Receiver, receiving
from tests.fakes.tables import create_registry_table, create_requests_table
from tests.local.fleet_caller import Caller
from tests.local.fleet_models import bundles
from tests.local.forked_cli import run_serval

ROOT = Path(__file__).parents[2]
EXAMPLES = ("iris", "digits", "diabetes")


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Refuse tests of a stage whose file says not which: they would start one more."""
    if "SERVAL_TEST_STATE" in os.environ:
        return
    for item in items:
        stages = item._fixtureinfo.name2fixturedefs.get("stage", ())[-1:]
        file = item.nodeid.partition("::")[0]
        if any(each.baseid == "tests/local" for each in stages) and file not in GROUPS:
            raise pytest.UsageError(f"{file} needs a stage: name it in tests/at_once.py")


@dataclass(frozen=True)
class LocalStage:
    """A running stage: what its ``local.json`` says, and the CLI to work on it."""

    state: Path
    api_url: str
    api_key: str
    aws_endpoint_url: str
    region: str
    artifact_bucket: str
    data_bucket: str

    @classmethod
    def read(cls, state: Path) -> "LocalStage":
        return cls(state, **json.loads((state / "local.json").read_text()))

    def serval(self, *words: str, stdin: str | None = None) -> str:
        """Run a command of the CLI on this stage; gives what it printed."""
        return serval(self.state, *words, stdin=stdin)

    def client(self, service: Any) -> Any:
        """Make a client that asks again, as the SDK does by itself, when a connection is reset."""
        config = CONFIG.merge(Config(retries={"total_max_attempts": 3}))
        return create_session().client(service, endpoint_url=self.aws_endpoint_url, config=config)

    def registry(self) -> DynamoDBRegistry:
        """Give the registry of the stage's models."""
        described = self.client("cloudformation").describe_stacks(StackName="serval-local-storage")
        (stack,) = described["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        dynamodb = create_session().resource(
            "dynamodb", endpoint_url=self.aws_endpoint_url, config=CONFIG
        )
        return DynamoDBRegistry(dynamodb.Table(outputs["RegistryTableName"]))

    def functions(self) -> dict[str, str]:
        """Give the physical name of each function."""
        functions: dict[str, str] = json.loads(self.serval("local", "status", "--json"))[
            "functions"
        ]
        return functions

    def publish(self, model: str, artifact: bytes, datatype: str) -> str:
        """Publish a bundle of an artifact alone and give its version."""
        bundle = self.state / "bundles" / model
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "model.onnx").write_bytes(artifact)
        (bundle / "model.yaml").write_text(f"name: {model}\ndescription: Of {datatype}\n")
        pushed = json.loads(self.serval("push", str(bundle), "--wait", "--json"))
        return str(pushed["version"])


def serval(state: Path, *words: str, stdin: str | None = None) -> str:
    """Run a command of the CLI in a state folder."""
    own = {"SERVAL_STATE": str(state), "SERVAL_STAGE": "local"}
    run = run_serval(words, os.environ | own, stdin)
    assert run.returncode == 0, f"serval {' '.join(words)}:\n{run.stdout}{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Run the emulator without a stage, for the tests of a file; gives its URL."""
    with emulator() as running:
        yield running.url


@pytest.fixture
def dynamodb(endpoint: str) -> Any:
    return create_session().resource("dynamodb", endpoint_url=endpoint, config=CONFIG)


@pytest.fixture
def registry_table(dynamodb: Any) -> Iterator[Any]:
    """Create an empty registry table for a test."""
    table = create_registry_table(dynamodb, "of-a-test")
    yield table
    table.delete()


@pytest.fixture
def requests_table(dynamodb: Any) -> Iterator[Any]:
    """Create an empty requests table for a test."""
    table = create_requests_table(dynamodb, "requests")
    yield table
    table.delete()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStage]:
    """Give a running stage, and see that nothing of it is left in the end."""
    if running := os.environ.get("SERVAL_TEST_STATE"):
        yield LocalStage.read(Path(running).absolute())
        return
    state, models = tmp_path_factory.mktemp("stage"), tmp_path_factory.mktemp("models")
    fleets = bundles.write(models, EXAMPLES)
    serval(state, "deploy", "--models", str(models), "--fleets", str(fleets))
    record = StateFolder(state).read()
    assert record is not None
    try:
        yield LocalStage.read(state)
    finally:
        serval(state, "local", "down")
    assert [group for group in record.processes if group.members()] == []
    assert not (state / "temporary").exists()


@pytest.fixture(scope="session")
def published_models(stage: LocalStage) -> None:
    """Publish the example models; those that are there already get no second version."""
    for model in EXAMPLES:
        stage.serval("push", f"models/{model}", "--wait")


@pytest.fixture(scope="session")
def fleet_models(stage: LocalStage) -> None:
    """Publish the fleet models, several at a time."""

    def publish(name: str) -> None:
        folder = stage.state / "bundles" / name
        bundles.write_bundle(folder, name, bundles.MODELS[name])
        stage.serval("push", str(folder), "--wait")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(publish, bundles.MODELS))


@pytest.fixture(scope="session")
def api_key(stage: LocalStage) -> str:
    """Give a key that may submit as often as a test likes."""
    made = stage.serval("keys", "create", "tests", "--rate", "1000000", "--json")
    return str(json.loads(made)["key"])


@pytest.fixture(scope="session")
def caller(stage: LocalStage, fleet_models: None, api_key: str) -> Iterator[Caller]:
    """Give who asks the fleet models."""
    headers = {"x-api-key": api_key}
    with httpx.Client(base_url=stage.api_url, headers=headers, timeout=300) as client:
        yield Caller(stage, client)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Receive callbacks, of which the first is refused."""
    with receiving(Receiver(refused=1)) as running:
        yield running
