"""serval_cli/stages/aws_failures.py: errors of the AWS SDK in words that say what to do."""

import re

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
)

from serval_cli.stages.aws_failures import explain_aws


def client_error(code: str, message: str = "why") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "no AWS credentials: .*`aws configure`.*`serval local up"),
        (ProfileNotFound(profile="x"), r"no AWS credentials: .*profile \(x\)"),
        (NoRegionError(), "no AWS region: set AWS_REGION"),
        (InvalidRegionError(region_name="x y"), "'x y'.*set AWS_REGION"),
        (EndpointConnectionError(endpoint_url="http://x"), "AWS does not answer: .*http://x"),
        (ParamValidationError(report="odd"), "the AWS request failed: .*odd"),
        (
            client_error("ExpiredToken"),
            r"does not accept the credentials \(ExpiredToken\).*aws sso",
        ),
        (client_error("AccessDenied"), "may not do PutObject: why"),
        (client_error("NoSuchBucket"), "answered PutObject with NoSuchBucket: why"),
    ],
)
def test_an_error_says_what_to_do(error: Exception, said: str) -> None:
    told = explain_aws(error)
    assert told is not None
    assert re.search(said, told), told


def test_a_failed_upload_is_explained_by_what_failed_it() -> None:
    wrapped = S3UploadFailedError("Failed to upload")
    wrapped.__context__ = client_error("AccessDenied")
    assert explain_aws(wrapped) == "the AWS credentials may not do PutObject: why"


def test_errors_of_our_own_making_are_not_explained_away() -> None:
    error = KeyError("x")
    error.__context__ = client_error("AccessDenied")
    assert explain_aws(error) is None
