"""The function ``sweep``: a scheduled event in, what was lost and goes on out."""

import json

import pytest

from serval.fleets.sweep import Sweep
from serval.models.deployed_fleets import LAMBDA
from tests.fakes.endpoints import ManagedFleet
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.requests import FLEETS

ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "data",
    "FLEETS": FLEETS.to_text(),
    "DISPATCH_FUNCTION": "dispatch",
}


def test_a_sweep_sends_again_what_was_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stage = ManagedFleet()
    stage.submit("r1", model="textgen")
    stage.submit("r2", model="iris", fleet=LAMBDA)
    stage.submit("r3", model="iris", fleet="removed")
    stage.queues.queues.clear()
    stage.clock.pass_seconds(600)
    sweep = Sweep(
        control=stage.completion().control,
        store=stage.requests,
        queue=stage.queues,
        callbacks=stage.callbacks,
        complete=stage.completion(),
        clock=stage.clock,
    )
    handler = imported("sweep", ENVIRONMENT, sweep, monkeypatch)

    outcome = handler.handler(recorded("sweep"), Context())

    assert json.loads(json.dumps(outcome)) == outcome
    assert outcome == {
        "sent": {"textgen": 1, "iris": 1},
        "ended": {},
        "woken": ["gpu"],
        "called": 0,
        "stranded": 1,
    }
    assert stage.queues.visible("textgen") == ["r1"]
    assert stage.queues.visible("iris") == ["r2"], "a model without a fleet needs none awake"
    assert logged(capsys)["outcome"] == outcome
