"""What fleets need of AWS, against an emulator of its own."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from serval.aws.dynamodb.dispatch_duty import DutyTable
from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.waiting_places import HELD, PlaceTable
from serval.aws.ecs.machines import EcsMachines
from serval.aws.eventbridge.tick_rule import TickRule
from serval.clock import timestamp
from serval.fleets.endpoints.dispatch import LOOKING, STARTING, Calls
from serval.fleets.state import FleetState, WorkerState
from serval.models.resource_names import (
    capacity_provider_name,
    cluster_name,
    service_name,
    tick_rule_name,
)
from serval_cli.local.aws_client import CONFIG, create_session
from tests.fakes.emulator import TABLE
from tests.fakes.filled import filled
from tests.fakes.inbox import HandClock
from tests.fakes.requests import START

STATE = filled(FleetState, fleet="gpu", arrivals_trend=-1 / 3, seconds_per_request=1e-5, revision=1)
WORKER = filled(
    WorkerState, fleet="gpu", worker="host-1", seen=timestamp(START), busy_seconds=0.1, completed=12
)


@pytest.fixture
def registry(endpoint: str) -> Iterator[Any]:
    """Give the registry table, emptied afterwards."""
    table = create_session().resource("dynamodb", endpoint_url=endpoint, config=CONFIG).Table(TABLE)
    yield table
    for item in table.scan()["Items"]:
        table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})


def test_every_member_of_a_fleet_s_row_reads_back(registry: Any):
    states = FleetTable(registry)
    sleeping = FleetState(fleet="gpu")
    assert all(
        getattr(STATE, member.name) != getattr(sleeping, member.name)
        for member in fields(FleetState)
        if member.name != "fleet"
    )
    assert states.find("gpu") == sleeping

    assert states.save(sleeping, STATE)

    assert states.find("gpu") == replace(STATE, arrivals_trend=-0.333333333)
    assert states.find("cpu") == FleetState(fleet="cpu")


def test_what_is_as_in_the_beginning_again_reads_back(registry: Any):
    states = FleetTable(registry)
    states.save(FleetState(fleet="gpu"), STATE)
    asleep = replace(FleetState(fleet="gpu"), revision=1)

    assert states.save(states.find("gpu"), asleep)

    assert states.find("gpu") == replace(asleep, revision=2)
    assert registry.get_item(Key={"pk": "FLEET#gpu", "sk": "STATE"})["Item"].keys() == {
        "pk",
        "sk",
        "revision",
    }


def test_any_number_of_calls_starts_one_dispatch_which_hears_them_all(registry: Any):
    duty = DutyTable(registry, HandClock())
    token = duty.call("managed")
    assert token is not None
    assert [duty.call("managed") for _ in range(3)] == [None, None, None]

    heard = duty.take("managed", token)
    assert heard == Calls(4)
    assert duty.take("managed", "another") is None
    assert duty.call("managed", recount=True) is None

    assert not duty.leave("managed", token, heard)
    heard = duty.take("managed", token)
    assert heard == Calls(5, recount=True)
    assert duty.leave("managed", token, heard)
    assert duty.take("managed", "another") == Calls(5)


def test_duty_that_nobody_has_been_called_to_is_left(registry: Any):
    duty = DutyTable(registry, HandClock())
    heard = duty.take("managed", "by hand")
    assert heard == Calls(0)
    assert duty.leave("managed", "by hand", heard)


def test_duty_ends_by_itself(registry: Any):
    clock = HandClock()
    duty = DutyTable(registry, clock)
    lost = duty.call("managed")
    assert lost is not None
    clock.pass_seconds(STARTING.total_seconds())
    crashed = duty.call("managed")
    assert crashed is not None
    heard = duty.take("managed", crashed)
    assert heard is not None
    assert duty.take("managed", lost) is None
    clock.pass_seconds(LOOKING.total_seconds())
    assert duty.take("managed", lost) is not None
    assert not duty.leave("managed", crashed, heard)


def test_who_gives_up_is_in_nobodys_way_and_leaves_the_recount(registry: Any):
    duty = DutyTable(registry, HandClock())
    token = duty.call("managed", recount=True)
    assert token is not None
    duty.give_up("managed", "another")
    assert duty.call("managed") is None

    duty.give_up("managed", token)

    following = duty.call("managed")
    assert following not in {None, token}
    assert duty.take("managed", str(following)) == Calls(3, recount=True)


def test_a_place_to_wait_is_one_callers_at_a_time(registry: Any):
    clock = HandClock()
    places = PlaceTable(registry, 2, clock)
    first, second = places.take(), places.take()
    assert first is not None
    assert second is not None
    assert places.take() is None

    places.give_back(first)

    third = places.take()
    assert third is not None
    assert places.take() is None
    clock.pass_seconds(HELD.total_seconds())
    assert places.take() is not None, "its holder has crashed"
    taken = places.take()
    assert taken is not None
    places.give_back(second)
    assert places.take() is None, "whose it was gives nothing back that is another's"


def test_a_fleet_is_woken_by_the_first_of_two_writers(registry: Any):
    states = FleetTable(registry)
    sleeping = states.find("gpu")
    woken = replace(sleeping, machines=1, woken=timestamp(START))

    assert states.save(sleeping, woken)
    assert not states.save(sleeping, replace(sleeping, machines=2))
    row = states.find("gpu")
    assert states.save(row, replace(row, machines=4))
    assert not states.save(row, replace(row, machines=5))

    assert states.find("gpu") == replace(woken, machines=4, revision=2)


def test_arrivals_that_fade_away_can_still_be_stored(registry: Any):
    states = FleetTable(registry)
    row = states.find("gpu")

    assert states.save(row, replace(row, arrivals_per_second=1e-300, machines=1))

    assert states.find("gpu").arrivals_per_second == 0.0


def test_a_worker_s_words_read_back_until_it_has_long_been_silent(registry: Any):
    now = [START]
    states = FleetTable(registry, lambda: now[0])
    other = WorkerState(
        fleet="gpu",
        worker="host-2",
        accelerator="CPU",
        started=timestamp(START),
        seen=timestamp(START + timedelta(seconds=30)),
    )
    for worker in (WORKER, other, replace(other, fleet="gpu2")):
        states.report(worker)
    states.save(FleetState(fleet="gpu"), STATE)

    assert states.workers("gpu") == [WORKER, other]
    now[0] = START + timedelta(seconds=60)
    assert states.workers("gpu") == [other]
    item = registry.get_item(Key={"pk": "FLEET#gpu", "sk": "WORKER#host-1"})["Item"]
    assert item["expires"] == int((START + timedelta(hours=1)).timestamp())


def test_a_worker_that_has_ended_is_forgotten(registry: Any):
    states = FleetTable(registry, lambda: START)
    states.report(WORKER)
    states.report(replace(WORKER, completed=13))
    assert states.workers("gpu") == [replace(WORKER, completed=13)]

    states.remove("gpu", "host-1")
    states.remove("gpu", "host-1")

    assert states.workers("gpu") == []


def sent_to(client: Any, service: str, operation: str) -> list[dict[str, Any]]:
    """Give the list to which the parameters of a client's calls will be appended."""
    sent: list[dict[str, Any]] = []
    client.meta.events.register(
        f"provide-client-params.{service}.{operation}",
        lambda params, **_: sent.append(dict(params)),
    )
    return sent


@pytest.fixture
def ecs(endpoint: str) -> Iterator[Any]:
    """Give a client of a cluster that has the service of fleet ``gpu``, on spot capacity."""
    client = create_session().client("ecs", endpoint_url=endpoint, config=CONFIG)
    client.create_cluster(clusterName=cluster_name("s", "gpu"))
    client.register_task_definition(
        family="worker", containerDefinitions=[{"name": "worker", "image": "worker", "memory": 8}]
    )
    client.create_service(
        cluster=cluster_name("s", "gpu"),
        serviceName=service_name("s", "gpu"),
        taskDefinition="worker",
        desiredCount=0,
        deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 200},
        capacityProviderStrategy=[
            {"capacityProvider": capacity_provider_name("s", "gpu", "spot"), "weight": 1}
        ],
    )
    yield client
    client.delete_service(
        cluster=cluster_name("s", "gpu"), service=service_name("s", "gpu"), force=True
    )


def service(ecs: Any) -> Any:
    (found,) = ecs.describe_services(
        cluster=cluster_name("s", "gpu"), services=[service_name("s", "gpu")]
    )["services"]
    return found


def test_a_fleet_gets_the_machines_that_are_asked_for(ecs: Any):
    updates = sent_to(ecs, "ecs", "UpdateService")
    machines = EcsMachines(ecs, "s")

    machines.set("gpu", 3, "spot")
    machines.set("gpu", 3, "spot")

    assert service(ecs)["desiredCount"] == 3
    (update,) = updates
    assert update == {
        "cluster": cluster_name("s", "gpu"),
        "service": "serval-s-gpu",
        "desiredCount": 3,
    }


def test_other_capacity_comes_with_a_new_deployment(ecs: Any):
    updates = sent_to(ecs, "ecs", "UpdateService")
    machines = EcsMachines(ecs, "s")

    machines.set("gpu", 2, "on-demand")
    machines.set("gpu", 2, "on-demand")
    machines.set("gpu", 1, "on-demand")

    providers = [part["capacityProvider"] for part in service(ecs)["capacityProviderStrategy"]]
    assert providers == ["serval-s-gpu-on-demand"]
    assert service(ecs)["desiredCount"] == 1
    assert [update.get("forceNewDeployment", False) for update in updates] == [True, False]


def test_workers_go_on_until_those_of_the_other_capacity_have_come(ecs: Any):
    machines = EcsMachines(ecs, "s")

    def healthy_percent() -> int:
        return int(service(ecs)["deploymentConfiguration"]["minimumHealthyPercent"])

    machines.set("gpu", 2, "on-demand")
    assert healthy_percent() == 100
    machines.set("gpu", 2, "on-demand")
    assert healthy_percent() == 100

    machines.set("gpu", 2, "spot")
    assert healthy_percent() == 100
    machines.set("gpu", 2, "spot")
    assert healthy_percent() == 0, "a reclaimed machine's worker is stopped at once again"


def test_machines_of_a_fleet_that_is_not_deployed_are_an_error(ecs: Any):
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        EcsMachines(ecs, "s").set("nothing", 1, "spot")


def test_ticks_are_switched_on_and_off(endpoint: str):
    events = create_session().client("events", endpoint_url=endpoint, config=CONFIG)
    events.put_rule(Name=tick_rule_name("s"), ScheduleExpression="rate(1 minute)", State="DISABLED")
    rule = TickRule(events, "s")

    def state() -> str:
        return str(events.describe_rule(Name=tick_rule_name("s"))["State"])

    rule.enable()
    rule.enable()
    assert state() == "ENABLED"
    rule.disable()
    rule.disable()
    assert state() == "DISABLED"
