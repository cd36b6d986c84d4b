"""Composition root of ``submit``."""

from serval.access.admission import SubmitLimit
from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.dynamodb.waiting_places import PlaceTable
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import (
    adapters,
    build_access,
    build_admission,
    edge_registry,
)
from serval.bootstrap.requests.submission import build_submit
from serval.http.submit import SubmitEndpoint
from serval.requests.document import Documents
from serval.requests.retry import Retry
from serval.requests.settings import SubmitSettings
from serval.requests.submit.submission import CallbackUrls
from serval.requests.submit.uploads import RequestUploads
from serval.requests.wait import Wait


def build() -> LambdaFunction[SubmitEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = SubmitSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    registry = edge_registry(settings)
    table = aws.dynamodb.Table(settings.registry_table)
    submit = build_submit(settings, aws, registry)
    return http_function(
        "submit",
        SubmitEndpoint(
            admission=build_admission(settings, registry),
            access=build_access(settings, aws),
            rate_limit=SubmitLimit(RateLimitTable(table)),
            callback_urls=CallbackUrls(local=bool(settings.callback_local)),
            submit=submit,
            retry=Retry(aws.store, aws.payloads, submit.announce),
            uploads=RequestUploads(submit.checks, aws.payloads),
            wait=Wait(aws.store, places=PlaceTable(table, settings.waiting_places)),
            documents=Documents(aws.payloads, aws.records),
            log=print_line,
            data_bucket=settings.data_bucket,
            limits=settings.limits,
        ),
    )
