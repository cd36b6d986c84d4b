"""The function ``tick``: a scheduled event in, what each fleet is to have out."""

import json

import pytest

from serval.fleets.scale.tick import Tick
from tests.fakes.fleets import ControlledFleets, at
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.requests import FLEETS

ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "JOBS_TABLE": "jobs",
    "FLEETS": FLEETS.to_text(),
    "DISPATCH_FUNCTION": "dispatch",
}


def test_a_tick_scales_prints_metrics_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stage, printed = ControlledFleets(), []
    stage.set_state(machines=1, woken=at(-300), ticked=at(-60))
    stage.submit("r1")
    tick = Tick(
        control=stage.control, store=stage.requests, write=printed.append, clock=stage.clock
    )
    handler = imported("tick", ENVIRONMENT, tick, monkeypatch)

    outcome = handler.handler(recorded("tick"), Context())

    assert json.loads(json.dumps(outcome)) == outcome
    assert outcome["goes_on"] is True
    assert [fleet["machines"] for fleet in outcome["fleets"]] == [1]
    assert json.loads(printed[0])["Open"] == 1
    assert logged(capsys)["outcome"] == outcome


def test_a_laptop_s_tick_asks_ecs_for_nothing(monkeypatch: pytest.MonkeyPatch):
    stage = ControlledFleets()
    tick = Tick(control=stage.control, store=stage.requests, write=print, clock=stage.clock)
    handler = imported("tick", {**ENVIRONMENT, "MACHINES": "rows"}, tick, monkeypatch)

    assert handler.handler(recorded("tick"), Context()) == {"fleets": [], "goes_on": False}
