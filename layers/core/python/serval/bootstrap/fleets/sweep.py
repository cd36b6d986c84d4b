"""Composition root of ``sweep``."""

from serval.aws.sqs.queues import ModelQueues, SqsCallbackQueue
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.fleets.endpoint_ends import build_complete
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.requests.adapters import adapters
from serval.fleets.settings import SweepSettings
from serval.fleets.sweep import Sweep


def build() -> LambdaFunction[Sweep]:
    """Build the function from its environment, once per cold start."""
    settings = SweepSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    control = fleet_control(settings, aws.dynamodb)
    return LambdaFunction(
        "sweep",
        Sweep(
            control=control,
            store=aws.store,
            queue=ModelQueues(aws.sqs, settings.stage, control.fleets.models),
            callbacks=SqsCallbackQueue(aws.sqs, settings.stage),
            complete=build_complete(settings, aws, control),
        ),
        lambda sweep, *_: sweep.sweep(),
    )
