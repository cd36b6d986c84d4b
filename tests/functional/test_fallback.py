"""The function ``fallback``: an event of ECS in, the capacity that a fleet has now out."""

import pytest

from serval.fleets.scale.fallback import Fallback
from tests.fakes.fleets import ControlledFleets
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.requests import FLEETS

ENVIRONMENT = {"STAGE": "prod", "REGISTRY_TABLE": "registry", "FLEETS": FLEETS.to_text()}


def test_a_worker_that_is_not_placed_turns_its_fleet_to_on_demand_machines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stage = ControlledFleets()
    stage.set_state(machines=2)
    ready = Fallback(control=stage.control, stage="prod", clock=stage.clock)
    handler = imported("fallback", ENVIRONMENT, ready, monkeypatch)

    outcome = handler.handler(recorded("fallback"), Context())

    assert outcome == {"fleet": "gpu", "outcome": "2 on-demand machines"}
    assert stage.machines.asked == [("gpu", 2, "on-demand")]
    assert logged(capsys)["outcome"] == outcome
