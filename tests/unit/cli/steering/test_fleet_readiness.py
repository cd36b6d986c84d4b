"""serval_cli/steering/fleet_readiness.py: what an answer has to wait for is said at once."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from serval.fleets.state import FleetState
from serval.models.deployed_fleets import Fleets
from serval_cli.failures import CommandFailed
from serval_cli.stages.stage import Stage
from serval_cli.steering.fleet_readiness import runs_on_fleet
from tests.fakes.requests import FLEETS

MODEL = FLEETS.models[0] if isinstance(FLEETS.models, tuple) else next(iter(FLEETS.models))


@dataclass
class FleetStage:
    """A stage with fleets in one state."""

    state: FleetState
    fleets: Fleets = FLEETS

    @property
    def fleet_states(self) -> Any:
        return self

    def find(self, fleet: str) -> FleetState:
        return self.state


def ready(state: FleetState, model: str = MODEL, *, patient: bool = False) -> bool:
    return runs_on_fleet(cast(Stage, FleetStage(state)), model, patient=patient)


def test_a_model_on_lambda_waits_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert not ready(FleetState(fleet="gpu"), "light")
    assert capsys.readouterr().err == ""


def test_a_paused_model_is_said_to_be_paused_and_waiting_is_offered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paused = FleetState(fleet="gpu", machines=1, paused=(MODEL,))
    with pytest.raises(CommandFailed, match=rf"paused.*`serval resume {MODEL}`; --wait leaves"):
        ready(paused)
    assert ready(paused, patient=True)
    assert "is paused" in capsys.readouterr().err


def test_a_fleet_that_sleeps_is_said_to_sleep_and_waiting_is_offered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ready(FleetState(fleet="gpu"))
    assert "sleeps: this wakes it" in (said := capsys.readouterr().err)
    assert "--wait stays" in said
    assert ready(FleetState(fleet="gpu", machines=1))
    assert capsys.readouterr().err == ""
