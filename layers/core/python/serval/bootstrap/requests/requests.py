"""Composition root of ``requests``."""

from serval.access.admission import Admission
from serval.aws.dynamodb.streams import StreamTable
from serval.aws.dynamodb.waiting_places import PlaceTable
from serval.aws.sqs.queues import SqsCallbackQueue
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.realtime.tickets import stream_redirect
from serval.bootstrap.requests.adapters import (
    Adapters,
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
    access = build_access(settings, aws)
    admission = build_admission(settings, edge_registry(settings))
    cancel = Cancel(aws.store, SqsCallbackQueue(aws.sqs, settings.stage), aws.records)
    return http_function(
        "requests",
        RequestsEndpoint(
            admission=admission,
            access=access,
            list_requests=ListRequests(aws.store, access.models),
            cancel=cancel,
            documents=Documents(aws.payloads, aws.records),
            events=build_events(settings, aws, admission),
            redirect=stream_redirect(settings),
            log=print_line,
        ),
    )


def build_events(settings: RequestsSettings, aws: Adapters, admission: Admission) -> RequestEvents:
    """Build what follows the streams of requests."""
    return RequestEvents(
        admission=admission,
        access=build_access(settings, aws),
        follow=Follow(StreamTable(aws.dynamodb.Table(settings.streams_table)), aws.store),
        cancel=Cancel(aws.store, SqsCallbackQueue(aws.sqs, settings.stage), aws.records),
        places=PlaceTable(aws.dynamodb.Table(settings.registry_table), settings.waiting_places),
    )


def follow_events() -> RequestEvents:
    """Build the same from a function's environment."""
    settings = RequestsSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    return build_events(settings, aws, build_admission(settings, edge_registry(settings)))
