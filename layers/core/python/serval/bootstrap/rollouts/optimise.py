"""Composition root of ``optimise``."""

import boto3

from serval.aws.s3.artifacts import S3Artifacts
from serval.bootstrap.function import LambdaFunction
from serval.inference.cpu import cpu_class
from serval.rollouts.settings import OptimiseSettings
from serval.rollouts.steps.optimise import Optimise


def build() -> LambdaFunction[Optimise]:
    """Build the function from its environment, once per cold start."""
    settings = OptimiseSettings.from_environment()
    return LambdaFunction(
        "optimise",
        Optimise(
            artifacts=S3Artifacts(
                boto3.client("s3", settings.aws_region), settings.artifact_bucket
            ),
            cpu_class=cpu_class(),
            memory_mib=settings.aws_lambda_function_memory_size,
        ),
        lambda optimise, event, _: optimise.optimise(event),
        lambda event, outcome: {"rollout": event["upload"]["rollout"], "outcome": outcome},
    )
