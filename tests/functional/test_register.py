"""The ``register`` function, from what the steps before have checked to a share of the traffic."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serval.bundles.uploads import Upload
from tests.fakes.handlers import Context, assert_same_members, imported, logged, recorded
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage

ENVIRONMENT = {"REGISTRY_TABLE": "registry", "ARTIFACT_BUCKET": "artifacts"}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def handler(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("register", ENVIRONMENT, stage.register, monkeypatch)


def checked(stage: Stage, upload: str, files: dict[str, bytes]) -> dict[str, Any]:
    """Give the step's input for an upload, of the same members as the recorded one."""
    claim = stage.claim.claim(stage.upload("scaling", upload, files), upload)
    found = Upload.from_json(claim["upload"])
    verified = stage.verify.verify(found, claim["urls"])["verified"]
    handed_on = {"upload": claim["upload"], "verified": verified}
    optimised = stage.optimise.optimise(handed_on)
    golden = stage.golden.check(handed_on | {"forms": optimised["forms"]})["golden"]
    given = handed_on | {"optimised": optimised, "golden": golden}
    assert_same_members(recorded("register"), given)
    return given


def test_register_promotes_the_first_version(
    handler: ModuleType, stage: Stage, capsys: pytest.CaptureFixture[str]
):
    outcome = handler.handler(checked(stage, "u1", scaling_bundle()), Context())

    assert outcome == {"outcome": "passed", "status": "promoted", "wait_seconds": 2}
    assert stage.registry.routes["scaling"].stable == "1"
    assert logged(capsys)["outcome"] == outcome


def test_register_gives_the_next_version_its_first_share(handler: ModuleType, stage: Stage):
    handler.handler(checked(stage, "u1", scaling_bundle()), Context())
    outcome = handler.handler(checked(stage, "u2", scaling_bundle(factor=3)), Context())

    assert json.loads(json.dumps(outcome)) == outcome
    assert outcome["status"] == "running"
    route = stage.registry.routes["scaling"]
    assert (route.stable, route.candidate, route.percent) == ("1", "2", 10)


def test_register_refuses_another_signature(handler: ModuleType, stage: Stage):
    handler.handler(checked(stage, "u1", scaling_bundle()), Context())
    given = checked(stage, "u2", scaling_bundle(factor=3))
    given["verified"]["signature"]["outputs"][0]["name"] = "z"

    outcome = handler.handler(given, Context())

    assert outcome["outcome"] == "refused"
    assert outcome["reasons"][0] == "output 'y' is gone (FP32 [-1, 3])"
