"""Composition root of ``requests``."""

from serval.aws.sqs.queues import SqsCallbackQueue
from serval.bootstrap.requests.adapters import access, adapters, edge_registry, say
from serval.http.requests import RequestsEndpoint
from serval.requests.cancel import Cancel
from serval.requests.document import Documents
from serval.requests.list_requests import ListRequests
from serval.requests.settings import RequestsSettings


def build() -> RequestsEndpoint:
    """Build what answers events about async requests, once per environment."""
    settings = RequestsSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    allowed = access(settings, edge_registry(settings), aws.store)
    return RequestsEndpoint(
        allowed,
        ListRequests(aws.store, allowed.models),
        Cancel(aws.store, SqsCallbackQueue(aws.sqs, settings.stage)),
        Documents(aws.payloads),
        say,
    )
