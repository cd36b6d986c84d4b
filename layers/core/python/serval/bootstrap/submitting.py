"""What makes an async request, for the functions that do."""

from serval.aws.signed.edge import EdgeRegistry
from serval.aws.sqs.queues import ModelQueues
from serval.bootstrap.async_requests import Adapters
from serval.bootstrap.fleet_control import fleet_control
from serval.models.deployed_fleets import Fleets
from serval.requests.door import Door
from serval.requests.settings import WaitSettings
from serval.requests.submit import Submitting


def submitting(settings: WaitSettings, aws: Adapters, registry: EdgeRegistry) -> Submitting:
    """Build what makes async requests."""
    fleets = Fleets.from_text(settings.fleets)
    return Submitting(
        door=Door(fleets, registry.version, settings.limits),
        store=aws.store,
        payloads=aws.payloads,
        queue=ModelQueues(aws.sqs, settings.stage),
        waker=fleet_control(settings, aws.dynamodb),
    )
