"""Composition root of ``cut``."""

import boto3

from serval.batch.job.settings import CutSettings
from serval.batch.plan.cut import Cut
from serval.bootstrap.batch.readiness import readiness
from serval.bootstrap.fleets.control import job_control


def build() -> Cut:
    """Build what ``cut`` needs from its environment."""
    settings = CutSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region)
    return Cut(readiness(settings, dynamodb, job_control(settings, dynamodb)))
