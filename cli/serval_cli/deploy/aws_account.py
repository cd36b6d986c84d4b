"""Query the account through the AWS SDK."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from serval_cli.deploy.account import NotAnswered, Outputs
from serval_cli.stages.aws_failures import explain_aws

VERSION = "/cdk-bootstrap/hnb659fds/version"
"""Where CDK's bootstrap stack writes its version."""
SETTINGS = Config(connect_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})


class AwsAccount:
    """An account and region, reached with the credentials at hand."""

    @cached_property
    def _session(self) -> boto3.Session:
        # boto3 itself reads AWS_DEFAULT_REGION only; the AWS CLI and CDK know both.
        return boto3.Session(region_name=os.environ.get("AWS_REGION"))

    @property
    def region(self) -> str | None:
        """The region; None if none is set."""
        return self._session.region_name

    def number(self) -> str:
        """Return the account's number."""
        with translate_errors():
            return str(self._client("sts").get_caller_identity()["Account"])

    def bootstrap_version(self) -> int | None:
        """Return the version of CDK's bootstrap stack; None if there is none."""
        try:
            with translate_errors("ParameterNotFound"):
                parameter = self._client("ssm").get_parameter(Name=VERSION)["Parameter"]
        except Absent:
            return None
        return int(parameter["Value"])

    def concurrency(self) -> int:
        """Return how many invocations Lambda runs at once."""
        with translate_errors():
            limits = self._client("lambda").get_account_settings()["AccountLimit"]
        return int(limits["ConcurrentExecutions"])

    def quotas(self, service: str) -> Mapping[str, float]:
        """Return the quotas of a service by their names."""
        with translate_errors():
            pages = self._client("service-quotas").get_paginator("list_service_quotas")
            return {
                quota["QuotaName"]: float(quota["Value"])
                for page in pages.paginate(ServiceCode=service)
                for quota in page["Quotas"]
            }

    def outputs(self, stack: str) -> Outputs | None:
        """Return the outputs of a deployed stack; None if there is none."""
        try:
            with translate_errors("ValidationError"):
                (found,) = self._client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except Absent:
            return None
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    def _client(self, service: Any) -> Any:
        return self._session.client(service, config=SETTINGS)


class Absent(Exception):
    """AWS answered that the thing does not exist."""


@contextmanager
def translate_errors(absence: str = "") -> Iterator[None]:
    """Turn the SDK's errors into ``NotAnswered``, and one AWS error code into ``Absent``."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"].get("Code") == absence:
            raise Absent from None
        raise NotAnswered(explain_aws(error)) from None
    except BotoCoreError as error:
        raise NotAnswered(explain_aws(error)) from None
