"""What wakes a fleet."""

from serval.bootstrap.async_requests import Adapters
from serval.bootstrap.fleet_control import fleet_control
from serval.requests.ports import Waker
from serval.settings import WaitSettings


def waker(settings: WaitSettings, aws: Adapters) -> Waker:
    """Build what wakes a fleet."""
    return fleet_control(settings, aws.dynamodb)
