"""Clients and adapters that the functions of async requests share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from serval.access.admission import Admission, Authenticator
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.dynamodb.step_records import StepRecordTable
from serval.aws.s3.artifacts import PRESIGNING
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.signed.addresses import service_url
from serval.aws.signed.client import SignedClient
from serval.aws.signed.edge import EdgeRegistry
from serval.clock import utc_now
from serval.requests.access import RequestAccess
from serval.requests.settings import RequestsSettings
from serval.settings import CallerSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource
    from mypy_boto3_sqs.client import SQSClient


PATIENCE = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
"""Seconds; a call ends before the gateway gives up."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """Clients and adapters that every one of these functions needs."""

    dynamodb: "DynamoDBServiceResource"
    sqs: "SQSClient"
    store: RequestTable
    payloads: DataBucket
    records: StepRecordTable


def adapters(region: str, requests_table: str, data_bucket: str) -> Adapters:
    """Connect to the requests table, the queues and the data bucket."""
    dynamodb = boto3.resource("dynamodb", region, config=PATIENCE)
    table = dynamodb.Table(requests_table)
    return Adapters(
        dynamodb,
        boto3.client("sqs", region, config=PATIENCE),
        RequestTable(table),
        DataBucket(boto3.client("s3", region, config=PATIENCE.merge(PRESIGNING)), data_bucket),
        StepRecordTable(table),
    )


def edge_registry(settings: CallerSettings) -> EdgeRegistry:
    """Read keys, routes and versions as ``infer`` does."""
    region = settings.aws_region
    client = SignedClient(
        service="dynamodb",
        region=region,
        credentials=settings.credentials,
        endpoint_url=settings.aws_endpoint_url or service_url("dynamodb", region),
    )
    return EdgeRegistry(settings.registry_table, client, lambda: utc_now().date().isoformat())


def build_admission(settings: CallerSettings, registry: EdgeRegistry) -> Admission:
    """Check keys here, or leave it to the gateway."""
    return Admission(registry, Authenticator() if settings.authentication == "key" else None)


def build_access(settings: RequestsSettings, aws: Adapters) -> RequestAccess:
    """Let callers find the requests of the stage's models."""
    return RequestAccess(
        aws.store, DynamoDBRegistry(aws.dynamodb.Table(settings.registry_table)).models
    )
