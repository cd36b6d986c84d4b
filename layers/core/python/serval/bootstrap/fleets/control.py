"""What changes the rows of fleets and their machines, for every function that does."""

from typing import Any

from serval.aws.clients import LaterClient
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
from serval.requests.settings import WaitSettings


def fleet_control(settings: FleetSettings | WaitSettings, dynamodb: Any) -> FleetControl:
    """Build it; clients that only a sleeping fleet needs are made when one is woken."""
    stage, region = settings.stage, settings.aws_region
    machines: Machines = NoMachines()
    if settings.machines == "ecs":
        machines = EcsMachines(later("ecs", region), stage)
    registry = dynamodb.Table(settings.registry_table)
    dispatcher: Dispatcher = NoDispatcher()
    if settings.dispatch_function:
        dispatcher = DispatchCalls(
            later("lambda", region), settings.dispatch_function, DutyTable(registry)
        )
    return FleetControl(
        fleets=Fleets.from_text(settings.fleets),
        states=FleetTable(registry),
        machines=machines,
        ticks=TickRule(later("events", region), stage),
        dispatcher=dispatcher,
    )


def job_control(settings: CutSettings, dynamodb: Any) -> FleetControl:
    """Build what only says in fleets' rows that jobs wait: the ticks give them machines."""
    return FleetControl(
        fleets=Fleets.from_text(settings.fleets),
        states=FleetTable(dynamodb.Table(settings.registry_table)),
        machines=NoMachines(),
        ticks=TickRule(later("events", settings.aws_region), settings.stage),
    )


def later(service: str, region: str) -> Any:
    """Give what stands for a client until it is used."""
    return LaterClient(service, region)
