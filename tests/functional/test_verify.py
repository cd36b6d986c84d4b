"""The ``verify`` function, from an upload's addresses to what is known of its bundle."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serval.settings import pack
from tests.fakes.handlers import Context, assert_same_members, imported, logged, recorded
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage

ENVIRONMENT = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008", "FUNCTIONS": '{"*": 1024}'}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def handler(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("verify", ENVIRONMENT, stage.verify, monkeypatch)


def claimed(stage: Stage, files: dict[str, bytes]) -> dict[str, Any]:
    """Give the step's input for an upload; its urls are of the same files as the recorded one's."""
    claim = stage.claim.claim(stage.upload("scaling", "u1", files), "me")
    given = {"upload": claim["upload"], "urls": pack(json.dumps(claim["urls"]))}
    assert_same_members(recorded("verify")["upload"], given["upload"])
    assert recorded("verify").keys() == given.keys()
    return given


def test_verify_gives_what_the_later_steps_need(
    handler: ModuleType, stage: Stage, capsys: pytest.CaptureFixture[str]
):
    outcome = handler.handler(claimed(stage, scaling_bundle()), Context())

    assert json.loads(json.dumps(outcome)) == outcome
    assert outcome["outcome"] == "passed"
    assert_same_members(recorded("register")["verified"], outcome["verified"])
    assert logged(capsys)["outcome"] == outcome


def test_verify_says_why_it_refuses(handler: ModuleType, stage: Stage):
    outcome = handler.handler(claimed(stage, {"model.onnx": b"no model"}), Context())

    assert outcome["outcome"] == "refused"
    assert outcome["reasons"][0].startswith("model.onnx is not an ONNX model but ")
