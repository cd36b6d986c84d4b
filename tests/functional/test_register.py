"""The ``register`` function, from EventBridge's events to registered versions."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serval.object_created import ObjectCreated
from tests.fakes.registration import Stage, scaling_bundle

ROOT = Path(__file__).parents[2]
UPLOAD = "20261121T101500Z-1a2b3c"


@dataclass
class Context:
    """What Lambda says of an invocation."""

    aws_request_id: str = "2f6d1a54-1c1c-4d0c-8a86-1f3f8ec41d3b"
    function_name: str = "register"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:register"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def handler(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the handler as Lambda does, then put the stage in memory behind it."""
    environment = {
        "AWS_REGION": "eu-central-1",
        "REGISTRY_TABLE": "registry",
        "ARTIFACT_BUCKET": "artifacts",
        "FUNCTIONS": '{"*": 1024}',
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    path = ROOT / "functions" / "register" / "handler.py"
    spec = importlib.util.spec_from_file_location("register_handler", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ready = stage.registration  # type: ignore[attr-defined]
    return module


def recorded(name: str, created: ObjectCreated) -> dict[str, Any]:
    """Read an event, about the object of the stage in memory."""
    event: dict[str, Any] = json.loads((ROOT / "events" / f"register_{name}.json").read_text())
    assert event["detail"]["object"]["key"] == created.key
    event["detail"]["object"]["version-id"] = created.version_id
    return event


def test_register_answers_the_event_of_a_manifest(handler: ModuleType, stage: Stage):
    created = stage.upload("iris", UPLOAD, scaling_bundle("iris"))

    outcome = handler.handler(recorded("manifest", created), Context())

    assert outcome == {
        "status": "promoted",
        "reason": "version 1 takes all traffic",
        "version": "1",
    }
    assert stage.registry.routes["iris"].stable == "1"


def test_register_answers_the_event_of_a_bare_artifact(handler: ModuleType, stage: Stage):
    handler.handler(
        recorded("manifest", stage.upload("iris", UPLOAD, scaling_bundle("iris"))), Context()
    )
    created = stage.upload_bare("iris", scaling_bundle(factor=3)["model.onnx"])

    outcome = handler.handler(recorded("bare", created), Context("another"))

    assert (outcome["status"], outcome["version"]) == ("promoted", "2")


def test_register_ends_well_when_it_refuses(
    handler: ModuleType, stage: Stage, caplog: pytest.LogCaptureFixture
):
    created = stage.upload("iris", UPLOAD, {"model.onnx": b"nothing"})

    outcome = handler.handler(recorded("manifest", created), Context())

    assert outcome["status"] == "refused"
    (line,) = caplog.records
    assert line.getMessage() == "refused"
    assert line.__dict__["object_key"] == created.key
    assert line.__dict__["outcome"] == outcome


def test_register_reads_an_event_that_lacks_the_version_id(handler: ModuleType, stage: Stage):
    created = stage.upload("iris", UPLOAD, scaling_bundle("iris"))
    event = recorded("manifest", created)
    del event["detail"]["object"]["version-id"]

    assert handler.handler(event, Context())["status"] == "promoted"


def test_register_takes_keys_as_they_are(handler: ModuleType, stage: Stage):
    event = recorded("manifest", stage.upload("iris", UPLOAD, scaling_bundle("iris")))
    event["detail"]["object"]["key"] = f"incoming/iris/{UPLOAD}%2Fmanifest.json"

    assert handler.handler(event, Context())["status"] == "ignored"
