"""Failures of AWS that pass, in functions that use boto3."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from serval.errors import RegistryUnavailable
from serval.faults import TRANSIENT_AT_AWS

REFUSED_FOR_NOW = TRANSIENT_AT_AWS | {
    "AccessDenied",
    "AccessDeniedException",
    "RequestThrottled",
    "Throttling",
    "TooManyRequestsException",
}
"""Throttling, and permissions that a deploy has not spread yet or has lost."""


@contextmanager
def translate_aws_failures() -> Iterator[None]:
    """Raise ``RegistryUnavailable`` for what the SDK gave up on; let everything else through."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        if code not in REFUSED_FOR_NOW and status < 500:
            raise
        # Without AWS's own words: callers read this, and they name the account and the role.
        raise RegistryUnavailable(f"AWS refused {error.operation_name}: {code}") from error
    except (ConnectionError, HTTPClientError) as error:
        raise RegistryUnavailable(f"AWS did not answer: {type(error).__name__}") from error
