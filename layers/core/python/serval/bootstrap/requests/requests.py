"""Composition root of ``requests``."""

from serval.aws.sqs.queues import SqsCallbackQueue
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import access, adapters, edge_registry
from serval.http.requests import RequestsEndpoint
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.list_requests import ListRequests
from serval.requests.settings import RequestsSettings


def build() -> LambdaFunction[RequestsEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = RequestsSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    allowed = access(settings, edge_registry(settings), aws.store)
    return http_function(
        "requests",
        RequestsEndpoint(
            allowed,
            ListRequests(aws.store, allowed.models),
            Cancel(aws.store, SqsCallbackQueue(aws.sqs, settings.stage)),
            Documents(aws.payloads),
            print_line,
        ),
    )
