"""Composition root of ``requests``."""

from serval.aws.dynamodb.streams import StreamTable
from serval.aws.dynamodb.waiting_places import PlaceTable
from serval.aws.sqs.queues import SqsCallbackQueue
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import (
    adapters,
    build_access,
    build_admission,
    edge_registry,
)
from serval.http.events import RequestEvents
from serval.http.requests import RequestsEndpoint
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.list_requests import ListRequests
from serval.requests.settings import RequestsSettings
from serval.requests.stream.follow import Follow


def build() -> LambdaFunction[RequestsEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = RequestsSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    access = build_access(settings, aws.store)
    admission = build_admission(settings, edge_registry(settings))
    cancel = Cancel(aws.store, SqsCallbackQueue(aws.sqs, settings.stage))
    log = StreamTable(aws.dynamodb.Table(settings.streams_table))
    registry_table = aws.dynamodb.Table(settings.registry_table)
    return http_function(
        "requests",
        RequestsEndpoint(
            admission=admission,
            access=access,
            list_requests=ListRequests(aws.store, access.models),
            cancel=cancel,
            documents=Documents(aws.payloads),
            events=RequestEvents(
                admission=admission,
                access=access,
                follow=Follow(log, aws.store),
                cancel=cancel,
                places=PlaceTable(registry_table, settings.waiting_places),
            ),
            log=print_line,
        ),
    )
