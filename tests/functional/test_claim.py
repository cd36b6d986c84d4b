"""The ``claim`` function, from EventBridge's events to uploads whose every file is found."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serval.foreign import ObjectCreated
from serval.settings import unpack
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage

UPLOAD = "20261121T101500Z-1a2b3c"
FILES = scaling_bundle("iris")
ENVIRONMENT = {
    "REGISTRY_TABLE": "registry",
    "ARTIFACT_BUCKET": "artifacts",
    "STAGE": "prod",
    "GOLDEN_FUNCTION": "golden",
}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def handler(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("claim", ENVIRONMENT, stage.claim, monkeypatch)


def announcing(name: str, created: ObjectCreated) -> dict[str, Any]:
    """Read an event, about the object of the stage in memory."""
    given = recorded(name)
    found = given["event"]["detail"]["object"]
    assert found["key"] == created.key
    found["version-id"] = created.version_id
    return given


def test_claim_answers_the_event_of_a_manifest(handler: ModuleType, stage: Stage):
    created = stage.upload("iris", UPLOAD, FILES)

    outcome = handler.handler(announcing("claim_manifest", created), Context())

    assert json.loads(json.dumps(outcome)) == outcome
    assert (outcome["outcome"], outcome["model"], outcome["rollout"]) == ("passed", "iris", UPLOAD)
    found = outcome["upload"]["files"]
    assert [file["path"] for file in found] == list(FILES)
    assert found[0]["key"] == f"incoming/iris/{UPLOAD}/model.onnx"
    assert json.loads(unpack(outcome["urls"])).keys() == FILES.keys()
    assert outcome["golden_function"] == "golden"
    assert stage.registry.rollout_records["iris", UPLOAD].step == "verifying"


def test_claim_answers_the_event_of_a_bare_artifact(handler: ModuleType, stage: Stage):
    stage.roll_out(stage.upload("iris", UPLOAD, FILES))
    created = stage.upload_bare("iris", scaling_bundle(factor=3)["model.onnx"])

    outcome = handler.handler(announcing("claim_bare_artifact", created), Context())

    keys = {file["path"]: file["key"] for file in outcome["upload"]["files"]}
    assert keys == {
        "model.yaml": "models/iris/1/model.yaml",
        "model.onnx": "incoming/iris/model.onnx",
    }


def test_claim_reads_an_event_that_lacks_the_version_id(handler: ModuleType, stage: Stage):
    given = announcing("claim_manifest", stage.upload("iris", UPLOAD, FILES))
    del given["event"]["detail"]["object"]["version-id"]

    assert handler.handler(given, Context())["outcome"] == "passed"


def test_claim_takes_keys_as_they_are(handler: ModuleType, stage: Stage):
    given = announcing("claim_manifest", stage.upload("iris", UPLOAD, FILES))
    given["event"]["detail"]["object"]["key"] = f"incoming/iris/{UPLOAD}%2Fmanifest.json"

    assert handler.handler(given, Context())["outcome"] == "ignored"


def test_claim_says_why_it_refuses_and_logs_no_url(
    handler: ModuleType, stage: Stage, capsys: pytest.CaptureFixture[str]
):
    good = announcing("claim_manifest", stage.upload("iris", UPLOAD, FILES))
    handler.handler(good, Context())
    assert "https://" not in str(logged(capsys))
    bad = announcing("claim_manifest", stage.upload("iris", UPLOAD, FILES, b"{}"))

    outcome = handler.handler(bad, Context())

    assert outcome["outcome"] == "refused"
    line = logged(capsys)
    assert (line["outcome"], line["reasons"]) == ("refused", outcome["reasons"])
    assert line["upload"] == bad["event"]
