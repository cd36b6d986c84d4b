"""Composition root of ``dispatch``."""

from random import SystemRandom

import boto3

from serval.aws.dynamodb.dispatch_duty import DutyTable
from serval.aws.sagemaker_endpoints import SageMakerEndpoints
from serval.aws.sqs.inbox import QueueInbox
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.fleets.endpoint_ends import build_end_attempt, build_routing
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.requests.adapters import adapters
from serval.fleets.endpoints.dispatch import Dispatch
from serval.fleets.endpoints.hand_over import HandOver
from serval.fleets.settings import DispatchSettings


def build() -> LambdaFunction[Dispatch]:
    """Build the function from its environment, once per cold start."""
    settings = DispatchSettings.from_environment()
    region = settings.aws_region
    aws = adapters(region, settings.requests_table, settings.data_bucket)
    hand_over = HandOver(
        control=fleet_control(settings, aws.dynamodb),
        store=aws.store,
        inbox=QueueInbox(aws.sqs, settings.stage),
        endpoints=SageMakerEndpoints(
            boto3.client("sagemaker-runtime", region),
            boto3.client("sagemaker", region),
            settings.stage,
            settings.data_bucket,
        ),
        routing=build_routing(settings, aws),
        end_attempt=build_end_attempt(settings, aws),
    )
    duty = DutyTable(aws.dynamodb.Table(settings.registry_table))
    return LambdaFunction(
        "dispatch",
        Dispatch(hand_over=hand_over, duty=duty, random=SystemRandom()),
        lambda dispatch, event, context: dispatch.dispatch(
            event["fleet"], event.get("token", context.aws_request_id)
        ),
        lambda event, outcome: {"fleet": event["fleet"], "outcome": outcome},
    )
