"""The functions ``evaluate`` and ``conclude``: recorded events in, verdicts out."""

import json
from typing import Any

import pytest

from serval.rollouts.steps.conclude import Conclude
from tests.fakes.evaluation import Canary
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.rollouts import MODEL, RollingModel, seen

ENVIRONMENT = {"REGISTRY_TABLE": "registry"}


def recorded_of(name: str, rollout: str) -> dict[str, Any]:
    """Read an event, about a rollout in memory."""
    event = recorded(name)
    assert event["model"] == MODEL
    return event | {"rollout": rollout}


def test_evaluate_says_what_follows_and_when(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    canary = Canary()
    handler = imported("evaluate", ENVIRONMENT, canary.evaluation, monkeypatch)

    outcome = handler.handler(recorded_of("evaluate", canary.id), Context())

    assert outcome == {"status": "running", "wait_seconds": 60}
    assert json.loads(json.dumps(outcome)) == outcome
    assert logged(capsys)["outcome"] == outcome


def test_conclude_refuses_what_a_step_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    model = RollingModel()
    upload = model.claim().rollout
    conclusion = Conclude(model.control, model.registry)
    handler = imported("conclude", ENVIRONMENT, conclusion, monkeypatch)

    verdict = handler.handler(recorded_of("conclude_refused", upload), Context())

    assert verdict["status"] == "refused"
    assert "golden.jsonl line 3" in model.record(upload).reason
    assert logged(capsys)["outcome"] == verdict


def test_conclude_rolls_back_after_a_crash(monkeypatch: pytest.MonkeyPatch):
    canary = Canary()
    model = canary.model
    conclusion = Conclude(model.control, model.registry)
    handler = imported("conclude", ENVIRONMENT, conclusion, monkeypatch)

    verdict = handler.handler(recorded_of("conclude", canary.id), Context())

    assert verdict["status"] == "rolled back"
    assert verdict["reason"].startswith("measuring the canary failed: out of memory")
    assert seen(model.route) == ("1", None, 0)
