"""Composition root of ``describe``."""

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from serval.access.admission import Authenticator
from serval.access.api_key import ApiKey
from serval.aws.cloudwatch.statistics import CloudWatchStatistics
from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.clock import utc_now
from serval.http.describe import DescribeEndpoint
from serval.models.statistics import RememberedStatistics
from serval.settings import DescribeSettings

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

PATIENCE = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 2})
"""Seconds; both attempts end before the function's own 10."""


def build() -> LambdaFunction[DescribeEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = DescribeSettings.from_environment()
    dynamodb = boto3.resource("dynamodb", settings.aws_region, config=PATIENCE)
    table = dynamodb.Table(settings.registry_table)
    keys = ApiKeyStore(table)

    @cache
    def cloudwatch() -> "CloudWatchClient":
        return boto3.client("cloudwatch", settings.aws_region, config=PATIENCE)

    def lookup(key_hash: str) -> ApiKey | None:
        """Find a key, and record the day of its use."""
        key = keys.find(key_hash)
        today = utc_now().date().isoformat()
        if key is not None and key.last_used != today:
            keys.mark_used(key_hash, today)
        return key

    return http_function(
        "describe",
        DescribeEndpoint(
            DynamoDBRegistry(table),
            RememberedStatistics(CloudWatchStatistics(cloudwatch)),
            Authenticator() if settings.authentication == "key" else None,
            lookup,
            log=print_line,
        ),
    )
