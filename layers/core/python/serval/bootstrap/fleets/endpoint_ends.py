"""Builds what ends attempts of endpoints, for the functions that need it."""

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.sqs.inbox import QueueInbox
from serval.aws.sqs.queues import ModelQueues, SqsCallbackQueue
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import Adapters
from serval.fleets.control import FleetControl
from serval.fleets.endpoints.complete import Complete
from serval.fleets.endpoints.routing import Routing
from serval.fleets.settings import CompleteSettings, FleetSettings, SweepSettings
from serval.models.metrics import InferenceMetrics
from serval.models.route import KnownVersions
from serval.requests.end_attempt import EndAttempt


def build_end_attempt(settings: FleetSettings, aws: Adapters) -> EndAttempt:
    """Build what ends attempts."""
    return EndAttempt(
        store=aws.store,
        queue=ModelQueues(aws.sqs, settings.stage),
        dead_letters=QueueInbox(aws.sqs, settings.stage),
        callbacks=SqsCallbackQueue(aws.sqs, settings.stage),
    )


def build_routing(settings: FleetSettings, aws: Adapters) -> Routing:
    """Build what chooses versions."""
    table = aws.dynamodb.Table(settings.registry_table)
    return Routing(KnownVersions(DynamoDBRegistry(table)))


def build_complete(
    settings: CompleteSettings | SweepSettings, aws: Adapters, control: FleetControl
) -> Complete:
    """Build what completes attempts, by notices and by results."""
    return Complete(
        control=control,
        store=aws.store,
        objects=aws.payloads,
        end_attempt=build_end_attempt(settings, aws),
        routing=build_routing(settings, aws),
        metrics=InferenceMetrics(print_line),
        bucket=settings.data_bucket,
    )
