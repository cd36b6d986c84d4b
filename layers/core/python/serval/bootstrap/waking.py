"""What wakes a fleet."""

from dataclasses import dataclass, replace

from serval.aws.fleet_states import FleetTable
from serval.bootstrap.async_requests import Adapters
from serval.clock import timestamp, utc_now
from serval.fleets.deployed import Fleets
from serval.settings import SubmitSettings, WaitSettings


@dataclass(frozen=True, slots=True)
class RowWaker:
    """Writes to a sleeping fleet's row that it is to have machines."""

    states: FleetTable
    fleets: Fleets

    def wake(self, fleet: str) -> None:
        """Wake a fleet that sleeps; one that is awake is left alone."""
        state = self.states.find(fleet)
        if state.machines == 0:
            machines = max(1, self.fleets.by_name[fleet].minimum)
            woken = timestamp(utc_now())
            self.states.save(
                state, replace(state, machines=machines, woken=woken, reason="a request came")
            )


def waker(settings: SubmitSettings | WaitSettings, aws: Adapters, fleets: Fleets) -> RowWaker:
    """Build what wakes a fleet."""
    return RowWaker(FleetTable(aws.dynamodb.Table(settings.registry_table)), fleets)
