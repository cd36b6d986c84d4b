"""Composition root of ``complete``."""

from serval.bootstrap.fleets import endpoint_ends
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.requests.adapters import adapters
from serval.fleets.endpoints.complete import Complete
from serval.fleets.settings import CompleteSettings


def build() -> LambdaFunction[Complete]:
    """Build the function from its environment, once per cold start."""
    settings = CompleteSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    return LambdaFunction(
        "complete",
        endpoint_ends.build_complete(settings, aws, fleet_control(settings, aws.dynamodb)),
        lambda complete, event, _: complete.complete(event),
    )
