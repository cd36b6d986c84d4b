"""Builds fleet control, for every function that changes fleets."""

from typing import Any

from serval.aws.clients import LazyClient
from serval.aws.dispatch_calls import DispatchCalls
from serval.aws.dynamodb.dispatch_duty import DutyTable
from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.ecs.machines import EcsMachines, NoMachines
from serval.aws.eventbridge.tick_rule import TickRule
from serval.batch.job.settings import CutSettings
from serval.fleets.control import FleetControl
from serval.fleets.ports import Dispatcher, NoDispatcher
from serval.fleets.settings import FleetSettings
from serval.fleets.state import Machines
from serval.models.deployed_fleets import Fleets
from serval.requests.settings import ProceedSettings, WaitSettings


def fleet_control(
    settings: FleetSettings | WaitSettings | ProceedSettings, dynamodb: Any
) -> FleetControl:
    """Build fleet control; clients that only waking needs are made when a fleet is woken."""
    stage, region = settings.stage, settings.aws_region
    machines: Machines = NoMachines()
    if settings.machines == "ecs":
        machines = EcsMachines(defer_client("ecs", region), stage)
    registry = dynamodb.Table(settings.registry_table)
    dispatcher: Dispatcher = NoDispatcher()
    if settings.dispatch_function:
        dispatcher = DispatchCalls(
            defer_client("lambda", region), settings.dispatch_function, DutyTable(registry)
        )
    return FleetControl(
        fleets=Fleets.from_text(settings.fleets),
        states=FleetTable(registry),
        machines=machines,
        ticks=TickRule(defer_client("events", region), stage),
        dispatcher=dispatcher,
    )


def job_control(settings: CutSettings, dynamodb: Any) -> FleetControl:
    """Build what only adds jobs to fleets' rows; ticks order the machines."""
    return FleetControl(
        fleets=Fleets.from_text(settings.fleets),
        states=FleetTable(dynamodb.Table(settings.registry_table)),
        machines=NoMachines(),
        ticks=TickRule(defer_client("events", settings.aws_region), settings.stage),
    )


def defer_client(service: str, region: str) -> Any:
    """Defer making a client until it is used."""
    return LazyClient(service, region)
