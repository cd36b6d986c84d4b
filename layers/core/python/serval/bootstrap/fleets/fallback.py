"""Composition root of ``fallback``."""

import boto3

from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.function import LambdaFunction
from serval.fleets.scale.fallback import Fallback, PlacementFailure
from serval.fleets.settings import FallbackSettings


def build() -> LambdaFunction[Fallback]:
    """Build the function from its environment, once per cold start."""
    settings = FallbackSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region)
    return LambdaFunction(
        "fallback",
        Fallback(control=fleet_control(settings, dynamodb), stage=settings.stage),
        lambda fallback, event, _: fallback.fall_back(PlacementFailure.from_event(event)),
        lambda event, outcome: {"event": event, "outcome": outcome},
    )
