"""Composition root of ``submit``."""

from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.dynamodb.waiting_places import PlaceTable
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import access, adapters, edge_registry
from serval.bootstrap.requests.submission import submission
from serval.http.submit import SubmitEndpoint
from serval.requests.access import Allowance
from serval.requests.document import Documents
from serval.requests.retry import Retry
from serval.requests.settings import SubmitSettings
from serval.requests.submission import CallbackUrls
from serval.requests.uploads import RequestUploads
from serval.requests.wait import Wait


def build() -> LambdaFunction[SubmitEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = SubmitSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    registry = edge_registry(settings)
    table = aws.dynamodb.Table(settings.registry_table)
    making = submission(settings, aws, registry)
    return http_function(
        "submit",
        SubmitEndpoint(
            access=access(settings, registry, aws.store),
            allowance=Allowance(RateLimitTable(table)),
            callback_urls=CallbackUrls(local=bool(settings.callback_local)),
            submitting=making,
            retrying=Retry(aws.store, aws.payloads, making.announce),
            uploads=RequestUploads(making.door, aws.payloads),
            waiting=Wait(aws.store, places=PlaceTable(table, settings.waiting_places)),
            documents=Documents(aws.payloads),
            log=print_line,
            limits=settings.limits,
        ),
    )
