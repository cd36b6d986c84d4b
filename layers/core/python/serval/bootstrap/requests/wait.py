"""Composition root of ``wait``."""

from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.dynamodb.waiting_places import PlaceTable
from serval.bootstrap.requests.adapters import access, adapters, edge_registry, say
from serval.bootstrap.requests.submission import submission
from serval.http.wait import WaitEndpoint
from serval.requests.access import Allowance
from serval.requests.settings import WaitSettings
from serval.requests.wait import Wait


def build() -> WaitEndpoint:
    """Build what answers inference events of fleet models, once per environment."""
    settings = WaitSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    registry = edge_registry(settings)
    table = aws.dynamodb.Table(settings.registry_table)
    return WaitEndpoint(
        access=access(settings, registry, aws.store),
        allowance=Allowance(RateLimitTable(table)),
        submitting=submission(settings, aws, registry),
        waiting=Wait(aws.store, places=PlaceTable(table, settings.waiting_places)),
        payloads=aws.payloads,
        log=say,
        limits=settings.limits,
    )
