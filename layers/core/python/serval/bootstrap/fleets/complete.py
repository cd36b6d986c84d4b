"""Composition root of ``complete``."""

from serval.bootstrap.fleets import endpoint_ends
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.requests.adapters import adapters
from serval.fleets.endpoints.complete import Complete
from serval.fleets.settings import CompleteSettings


def build() -> Complete:
    """Build what closes rows by the notices of endpoints, once per environment."""
    settings = CompleteSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    return endpoint_ends.completion(settings, aws, fleet_control(settings, aws.dynamodb))
