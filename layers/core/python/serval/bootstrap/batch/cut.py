"""Composition root of ``cut``."""

import boto3

from serval.batch.job.settings import CutSettings
from serval.batch.plan.cut import Cut
from serval.bootstrap.batch.release import build_release
from serval.bootstrap.fleets.control import job_control
from serval.bootstrap.function import LambdaFunction


def build() -> LambdaFunction[Cut]:
    """Build the function from its environment, once per cold start."""
    settings = CutSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region)
    return LambdaFunction(
        "cut",
        Cut(build_release(settings, dynamodb, job_control(settings, dynamodb))),
        lambda cut, event, _: cut.cut(event["job"]),
    )
