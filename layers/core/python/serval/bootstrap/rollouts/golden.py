"""Composition root of ``golden``."""

from serval.aws.signed.addresses import bucket_url
from serval.aws.signed.client import SignedClient
from serval.aws.signed.edge import EdgeArtifacts, EdgeRecords
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.handlers import handler_opening, is_deployed
from serval.bootstrap.log import print_line
from serval.inference.cpu import cpu_class
from serval.inference.loaded import Limits
from serval.inference.runtimes.onnx import graph_opening
from serval.rollouts.golden.memory import MemoryMeter
from serval.rollouts.settings import GoldenSettings
from serval.rollouts.steps.golden_check import GoldenCheck

LOAD_SECONDS = 120.0
"""Of this function's five minutes."""


def build() -> LambdaFunction[GoldenCheck]:
    """Build the function from its environment, once per cold start."""
    settings = GoldenSettings.from_environment()
    aws, region, bucket = settings.aws_endpoint_url, settings.aws_region, settings.artifact_bucket
    s3 = SignedClient(
        service="s3",
        region=region,
        credentials=settings.credentials,
        endpoint_url=f"{aws}/{bucket}" if aws else bucket_url(bucket, region),
    )
    memory_mib = settings.aws_lambda_function_memory_size
    open_handler = None
    if is_deployed(settings.lambda_task_root):
        open_handler = handler_opening(settings, LOAD_SECONDS).open
    return LambdaFunction(
        "golden",
        GoldenCheck(
            store_of=lambda candidate: EdgeArtifacts(s3, candidate.locate),
            open_model=graph_opening(memory_mib),
            limits=Limits.of_function(memory_mib, settings.ephemeral_storage_mib),
            memory=MemoryMeter(memory_mib),
            cpu_class=cpu_class(),
            log=print_line,
            open_handler=open_handler,
            find_version=EdgeRecords(s3).version,
        ),
        lambda golden_check, event, _: golden_check.check(event),
        lambda event, outcome: {"rollout": event["upload"]["rollout"], "outcome": outcome},
    )
