"""Use cases that several functions of async requests share."""

from serval.aws.dynamodb.requests import RequestTable
from serval.aws.signed.edge import EdgeRegistry
from serval.aws.sqs.queues import ModelQueues
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.requests.adapters import Adapters
from serval.models.deployed_fleets import Fleets
from serval.requests.access import RequestAccess
from serval.requests.settings import RequestsSettings, WaitSettings
from serval.requests.submit.checks import Door
from serval.requests.submit.submit import Submit


def build_access(settings: RequestsSettings, store: RequestTable) -> RequestAccess:
    """Let callers find the requests of the stage's fleet models."""
    return RequestAccess(store, tuple(Fleets.from_text(settings.fleets).models))


def build_submit(settings: WaitSettings, aws: Adapters, registry: EdgeRegistry) -> Submit:
    """Build what makes async requests."""
    fleets = Fleets.from_text(settings.fleets)
    return Submit(
        door=Door(fleets, registry.version, settings.limits),
        store=aws.store,
        payloads=aws.payloads,
        queue=ModelQueues(aws.sqs, settings.stage),
        waker=fleet_control(settings, aws.dynamodb),
    )
