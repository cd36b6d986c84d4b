"""The functions ``evaluate`` and ``conclude``: recorded events in, verdicts out."""

import importlib.util
import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serval.rollouts.steps.conclude import Conclude
from tests.fakes.evaluation import Canary
from tests.fakes.handlers import logged
from tests.fakes.rollouts import MODEL, RollingModel, seen

ROOT = Path(__file__).parents[2]


@dataclass
class Context:
    """What Lambda says of an invocation."""

    aws_request_id: str = "2f6d1a54-1c1c-4d0c-8a86-1f3f8ec41d3b"
    function_name: str = "evaluate"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:evaluate"


def imported(name: str, ready: object, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a handler as Lambda does, then put a model in memory behind it."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("REGISTRY_TABLE", "registry")
    path = ROOT / "functions" / name / "handler.py"
    spec = importlib.util.spec_from_file_location(f"{name}_handler", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ready = replace(module.ready, use_case=ready)  # type: ignore[attr-defined]
    return module


def recorded(name: str, rollout: str) -> dict[str, Any]:
    """Read an event, about a rollout in memory."""
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    assert event["model"] == MODEL
    return event | {"rollout": rollout}


def test_evaluate_says_what_follows_and_when(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    canary = Canary()
    handler = imported("evaluate", canary.evaluation, monkeypatch)

    outcome = handler.handler(recorded("evaluate", canary.id), Context())

    assert outcome == {"status": "running", "wait_seconds": 60}
    assert json.loads(json.dumps(outcome)) == outcome
    assert logged(capsys)["outcome"] == outcome


def test_conclude_refuses_what_a_step_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    model = RollingModel()
    upload = model.claim().rollout
    conclusion = Conclude(model.control, model.registry)
    handler = imported("conclude", conclusion, monkeypatch)

    verdict = handler.handler(recorded("conclude_refused", upload), Context())

    assert verdict["status"] == "refused"
    assert "golden.jsonl line 3" in model.record(upload).reason
    assert logged(capsys)["outcome"] == verdict


def test_conclude_rolls_back_after_a_crash(monkeypatch: pytest.MonkeyPatch):
    canary = Canary()
    model = canary.model
    conclusion = Conclude(model.control, model.registry)
    handler = imported("conclude", conclusion, monkeypatch)

    verdict = handler.handler(recorded("conclude", canary.id), Context())

    assert verdict["status"] == "rolled back"
    assert verdict["reason"].startswith("measuring the canary failed: out of memory")
    assert seen(model.route) == ("1", None, 0)
