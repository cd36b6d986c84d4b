"""Composition root of ``wait``."""

from dataclasses import replace

from serval.access.admission import SubmitLimit
from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.dynamodb.streams import StreamTable
from serval.aws.dynamodb.waiting_places import PlaceTable
from serval.aws.sqs.queues import SqsCallbackQueue
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.realtime.tickets import stream_redirect
from serval.bootstrap.requests.adapters import Adapters, adapters, build_admission, edge_registry
from serval.bootstrap.requests.submission import build_submit
from serval.http.wait import WaitEndpoint
from serval.requests.cancel import Cancel
from serval.requests.settings import WaitSettings
from serval.requests.stream.follow import Follow
from serval.requests.stream.live import ReadLive
from serval.requests.wait import Wait


def build() -> LambdaFunction[WaitEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = WaitSettings.from_environment()
    return http_function("wait", build_endpoint(settings, connect(settings)))


def connect(settings: WaitSettings) -> Adapters:
    """Connect to what both functions need."""
    return adapters(settings.aws_region, settings.requests_table, settings.data_bucket)


def build_endpoint(settings: WaitSettings, aws: Adapters) -> WaitEndpoint:
    """Build what answers calls of models on fleets, and redirects those that want a stream."""
    registry = edge_registry(settings)
    table = aws.dynamodb.Table(settings.registry_table)
    return WaitEndpoint(
        admission=build_admission(settings, registry),
        rate_limit=SubmitLimit(RateLimitTable(table)),
        submit=build_submit(settings, aws, registry),
        wait=Wait(aws.store, places=PlaceTable(table, settings.waiting_places)),
        payloads=aws.payloads,
        redirect=stream_redirect(settings),
        log=print_line,
        limits=settings.limits,
    )


def live_endpoint() -> WaitEndpoint:
    """Build the same for where replies may have pieces, from a function's environment."""
    settings = WaitSettings.from_environment()
    aws = connect(settings)
    live = ReadLive(
        follow=Follow(StreamTable(aws.dynamodb.Table(settings.streams_table)), aws.store),
        cancel=Cancel(aws.store, SqsCallbackQueue(aws.sqs, settings.stage), aws.records),
        payloads=aws.payloads,
    )
    return replace(build_endpoint(settings, aws), live=live)
