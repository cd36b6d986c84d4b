"""ECS cannot place a worker."""

from serval.fleets.scale.fallback import Fallback, PlacementFailure
from tests.fakes.fleets import ControlledFleets, at
from tests.fakes.handlers import recorded

FAILURE = PlacementFailure.from_event(recorded("fallback"))


def fallback(stage: ControlledFleets, stage_name: str = "prod") -> Fallback:
    return Fallback(control=stage.control, stage=stage_name, clock=stage.clock)


def test_the_event_names_service_providers_and_reason() -> None:
    assert FAILURE.service == "serval-prod-gpu"
    assert FAILURE.providers == ("serval-prod-gpu-spot",)
    assert FAILURE.reason == "RESOURCE:GPU"


def test_the_fleet_turns_to_on_demand_machines() -> None:
    stage = ControlledFleets()
    stage.set_state(machines=3, short_since=at(-60))

    told = fallback(stage).fall_back(FAILURE)

    assert told == {"fleet": "gpu", "outcome": "3 on-demand machines"}
    assert stage.machines.asked == [("gpu", 3, "on-demand")]
    state = stage.state()
    assert (state.capacity, state.capacity_since, state.short_since) == ("on-demand", at(0), "")
    assert state.reason == (
        "on-demand machines: ECS cannot place a worker on spot machines: RESOURCE:GPU"
    )


def test_a_second_event_changes_nothing_and_asks_again() -> None:
    stage = ControlledFleets()
    stage.set_state(machines=3)
    fallback(stage).fall_back(FAILURE)
    first = stage.state()

    fallback(stage).fall_back(FAILURE)

    assert stage.state() == first
    assert stage.machines.asked == [("gpu", 3, "on-demand")] * 2


def test_a_fleet_that_sleeps_is_left_alone() -> None:
    stage = ControlledFleets()

    fallback(stage).fall_back(FAILURE)

    assert (stage.state().capacity, stage.machines.asked) == ("spot", [])


def test_on_demand_machines_that_are_not_placed_are_no_reason() -> None:
    stage = ControlledFleets()
    stage.set_state(machines=3)
    on_demand = PlacementFailure(FAILURE.service, ("serval-prod-gpu-on-demand",), "RESOURCE:GPU")

    told = fallback(stage).fall_back(on_demand)

    assert told["outcome"] == "it was not spot that failed"
    assert stage.state().capacity == "spot"


def test_services_of_others_are_left_alone() -> None:
    stage = ControlledFleets()

    told = fallback(stage, "staging").fall_back(FAILURE)

    assert told == {"outcome": "service 'serval-prod-gpu' is no fleet of this stage"}
