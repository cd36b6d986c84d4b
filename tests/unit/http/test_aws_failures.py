"""What AWS refuses for the moment is 503, with nothing about the account; a bug stays a bug."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from serval.errors import RegistryUnavailable
from serval.http.aws_failures import translate_aws_failures
from serval.http.status import status_of


def refused(code: str, status: int = 400) -> ClientError:
    said = "User: arn:aws:sts::123456789012:assumed-role/x is not authorized"
    response = {
        "Error": {"Code": code, "Message": said},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "GetItem")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "failure",
    [
        refused("ProvisionedThroughputExceededException"),
        refused("ThrottlingException"),
        refused("AccessDeniedException"),
        refused("AccessDenied", 403),
        refused("SlowDown", 503),
        refused("InternalServerError", 500),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
    ],
)
def test_what_aws_refuses_for_the_moment_is_told_as_that(failure: Exception) -> None:
    with pytest.raises(RegistryUnavailable) as raised, translate_aws_failures():
        raise failure
    assert status_of(raised.value) == 503
    assert "123456789012" not in str(raised.value)


@pytest.mark.parametrize(
    "failure", [refused("ValidationException"), ParamValidationError(report="x"), KeyError("x")]
)
def test_a_bug_is_not_hidden(failure: Exception) -> None:
    with pytest.raises(type(failure)), translate_aws_failures():
        raise failure
