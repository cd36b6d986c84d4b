"""Composition root of ``wait``."""

from serval.access.admission import SubmitLimit
from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.dynamodb.waiting_places import PlaceTable
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import adapters, build_admission, edge_registry
from serval.bootstrap.requests.submission import build_submit
from serval.http.wait import WaitEndpoint
from serval.requests.settings import WaitSettings
from serval.requests.wait import Wait


def build() -> LambdaFunction[WaitEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = WaitSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    registry = edge_registry(settings)
    table = aws.dynamodb.Table(settings.registry_table)
    return http_function(
        "wait",
        WaitEndpoint(
            admission=build_admission(settings, registry),
            rate_limit=SubmitLimit(RateLimitTable(table)),
            submit=build_submit(settings, aws, registry),
            wait=Wait(aws.store, places=PlaceTable(table, settings.waiting_places)),
            payloads=aws.payloads,
            log=print_line,
            limits=settings.limits,
        ),
    )
