"""Waking, pausing and resuming fleets."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from serval.errors import ModelNotFound, RegistryUnavailable
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import Fleets
from tests.fakes.fleets import ControlledFleets, at
from tests.fakes.requests import GPU, MANAGED, InMemoryFleetStates


def test_a_sleeping_fleet_is_woken_with_one_machine_and_ticks() -> None:
    stage = ControlledFleets()

    stage.control.wake("gpu")

    assert (stage.state().machines, stage.state().woken) == (1, at(0))
    assert stage.state().reason == "woken by a request"
    assert stage.machines.asked == [("gpu", 1, "spot")]
    assert stage.ticks.on


def test_a_fleet_is_woken_with_its_minimum() -> None:
    stage = ControlledFleets(Fleets({"gpu": replace(GPU, minimum=3)}))

    stage.control.wake("gpu")

    assert stage.machines.asked == [("gpu", 3, "spot")]


def test_an_awake_fleet_is_left_alone() -> None:
    stage = ControlledFleets()
    stage.set_state(machines=2, woken=at(-500), ticked=at(-30))

    stage.control.wake("gpu")

    assert (stage.machines.asked, stage.ticks.switched) == ([], [])


def test_awake_is_remembered_for_five_seconds() -> None:
    stage = ControlledFleets()
    stage.control.wake("gpu")
    stage.set_state(machines=0)

    stage.clock.pass_seconds(4.9)
    stage.control.wake("gpu")
    assert stage.state().machines == 0, "it is believed awake"

    stage.clock.pass_seconds(0.2)
    stage.control.wake("gpu")
    assert stage.state().machines == 1


def test_of_many_who_wake_a_fleet_at_once_one_writes_and_none_fails() -> None:
    stage = ControlledFleets()
    controls = [stage.environment() for _ in range(20)]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda control: control.wake("gpu"), controls))

    assert stage.state().revision == 1
    assert set(stage.machines.asked) == {("gpu", 1, "spot")}


def test_who_loses_the_race_asks_for_what_the_winner_wrote() -> None:
    stage = ControlledFleets()

    class Racing(InMemoryFleetStates):
        def save(self, before: FleetState, after: FleetState) -> bool:
            if not self.states:
                winner = replace(after, machines=2, revision=1)
                self.states["gpu"] = winner
            return super().save(before, after)

    stage.states = Racing()
    stage.environment().wake("gpu")

    assert stage.machines.asked == [("gpu", 2, "spot")]


def test_a_fleet_that_a_crash_left_awake_in_its_row_alone_is_run_by_the_next_submit() -> None:
    stage = ControlledFleets()
    stage.set_state(machines=3, woken=at(-181))

    stage.control.wake("gpu")

    assert stage.machines.asked == [("gpu", 3, "spot")]
    assert stage.ticks.on


def test_a_sagemaker_fleet_s_endpoint_is_given_its_requests() -> None:
    stage = ControlledFleets()

    stage.control.wake("managed")
    stage.control.wake("managed")

    assert stage.dispatcher.asked == [("managed", False)] * 2, "each request is to be handed over"
    assert stage.machines.asked == [], "the endpoint scales itself"
    assert (stage.state("managed").machines, stage.ticks.on) == (1, True)


def test_a_fleet_that_is_not_deployed_any_more_is_left_alone() -> None:
    stage = ControlledFleets()

    stage.control.wake("gone")

    assert stage.states.states == {}


def test_a_model_is_paused_and_resumed() -> None:
    stage = ControlledFleets()

    assert stage.control.pause("textgen").paused == ("textgen",)
    assert stage.control.pause("resnet").paused == ("resnet", "textgen")
    assert stage.control.pause("resnet").paused == ("resnet", "textgen")
    assert not stage.ticks.on

    assert stage.control.resume("textgen").paused == ("resnet",)
    assert stage.ticks.on, "the next tick finds what waits"
    assert stage.state().machines == 0


def test_resuming_a_model_of_an_endpoint_has_its_requests_handed_over() -> None:
    stage = ControlledFleets()
    stage.control.pause("vision")

    stage.control.resume("vision")

    assert stage.dispatcher.asked == [("managed", False)]


def test_a_model_without_a_fleet_cannot_be_paused() -> None:
    with pytest.raises(ModelNotFound):
        ControlledFleets().control.pause("iris")


def test_a_change_is_made_to_the_row_as_others_leave_it() -> None:
    stage = ControlledFleets(Fleets({"gpu": GPU, "managed": MANAGED}))
    rivals = [replace(FleetState(fleet="gpu"), paused=("resnet",), revision=1)]

    class Contended(InMemoryFleetStates):
        def save(self, before: FleetState, after: FleetState) -> bool:
            if rivals:
                self.states["gpu"] = rivals.pop()
            return super().save(before, after)

    stage.states = Contended()

    assert stage.environment().pause("textgen").paused == ("resnet", "textgen")


def test_a_row_that_others_always_change_first_is_an_error() -> None:
    stage = ControlledFleets()

    class Lost(InMemoryFleetStates):
        def save(self, before: FleetState, after: FleetState) -> bool:
            return False

    stage.states = Lost()

    with pytest.raises(RegistryUnavailable, match="fleet 'gpu': 20 changes met another writer"):
        stage.environment().pause("textgen")
