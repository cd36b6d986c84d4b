"""What ends the attempts of endpoints, for the functions that do."""

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.sqs.inbox import QueueInbox
from serval.aws.sqs.queues import CallbackQueue, ModelQueues
from serval.bootstrap.requests.adapters import Adapters, say
from serval.fleets.control import FleetControl
from serval.fleets.endpoints.complete import Completion
from serval.fleets.endpoints.end_attempt import Ending
from serval.fleets.endpoints.routing import Routing
from serval.fleets.settings import CompleteSettings, FleetSettings, SweepSettings
from serval.models.metrics import InferenceMetrics


def ending(settings: FleetSettings, aws: Adapters) -> Ending:
    """Build what closes rows and tells who is to know."""
    return Ending(
        store=aws.store,
        queue=ModelQueues(aws.sqs, settings.stage),
        dead_letters=QueueInbox(aws.sqs, settings.stage),
        callbacks=CallbackQueue(aws.sqs, settings.stage),
    )


def routing(settings: FleetSettings, aws: Adapters) -> Routing:
    """Build what chooses versions."""
    return Routing(DynamoDBRegistry(aws.dynamodb.Table(settings.registry_table)))


def completion(
    settings: CompleteSettings | SweepSettings, aws: Adapters, control: FleetControl
) -> Completion:
    """Build what closes rows by what endpoints say, or have written."""
    return Completion(
        control=control,
        store=aws.store,
        objects=aws.payloads,
        ending=ending(settings, aws),
        routing=routing(settings, aws),
        metrics=InferenceMetrics(say),
        bucket=settings.data_bucket,
    )
