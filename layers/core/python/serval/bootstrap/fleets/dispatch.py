"""Composition root of ``dispatch``."""

from random import SystemRandom

import boto3

from serval.aws.dynamodb.dispatch_duty import DutyTable
from serval.aws.sagemaker_endpoints import SageMakerEndpoints
from serval.aws.sqs.inbox import QueueInbox
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.fleets.endpoint_ends import ending, routing
from serval.bootstrap.requests.adapters import adapters
from serval.fleets.endpoints.dispatch import Dispatch
from serval.fleets.endpoints.hand_over import HandOver
from serval.fleets.settings import DispatchSettings


def build() -> Dispatch:
    """Build what hands requests to endpoints, once per environment."""
    settings = DispatchSettings.from_environment()
    region = settings.aws_region
    aws = adapters(region, settings.requests_table, settings.data_bucket)
    handover = HandOver(
        control=fleet_control(settings, aws.dynamodb),
        store=aws.store,
        inbox=QueueInbox(aws.sqs, settings.stage),
        endpoints=SageMakerEndpoints(
            boto3.client("sagemaker-runtime", region),
            boto3.client("sagemaker", region),
            settings.stage,
            settings.data_bucket,
        ),
        routing=routing(settings, aws),
        ending=ending(settings, aws),
    )
    duty = DutyTable(aws.dynamodb.Table(settings.registry_table))
    return Dispatch(handover=handover, duty=duty, random=SystemRandom())
