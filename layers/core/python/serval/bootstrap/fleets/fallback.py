"""Composition root of ``fallback``."""

import boto3

from serval.bootstrap.fleets.control import fleet_control
from serval.fleets.scale.fallback import Fallback
from serval.fleets.settings import FallbackSettings


def build() -> Fallback:
    """Build what turns fleets to on-demand machines, once per environment."""
    settings = FallbackSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region)
    return Fallback(control=fleet_control(settings, dynamodb), stage=settings.stage)
