"""Composition root of ``requests``."""

from serval.aws.sqs.queues import SqsCallbackQueue
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import (
    adapters,
    build_access,
    build_admission,
    edge_registry,
)
from serval.http.requests import RequestsEndpoint
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.list_requests import ListRequests
from serval.requests.settings import RequestsSettings


def build() -> LambdaFunction[RequestsEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = RequestsSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    access = build_access(settings, aws.store)
    return http_function(
        "requests",
        RequestsEndpoint(
            admission=build_admission(settings, edge_registry(settings)),
            access=access,
            list_requests=ListRequests(aws.store, access.models),
            cancel=Cancel(aws.store, SqsCallbackQueue(aws.sqs, settings.stage)),
            documents=Documents(aws.payloads),
            log=print_line,
        ),
    )
