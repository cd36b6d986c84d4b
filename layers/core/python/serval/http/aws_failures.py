"""What AWS refuses for the moment, in functions that use boto3: no bug, and no caller's fault."""

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
"""Throttling, and rights that a deploy has not yet spread or has lost."""


@contextmanager
def aws_failures_as_ours() -> Iterator[None]:
    """Raise ``RegistryUnavailable`` for what the SDK has given up on; all else is a bug of ours."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        if code not in REFUSED_FOR_NOW and status < 500:
            raise
        # Not with what AWS says beside: callers read this, and that names account and role.
        raise RegistryUnavailable(f"AWS refused {error.operation_name}: {code}") from error
    except (ConnectionError, HTTPClientError) as error:
        raise RegistryUnavailable(f"AWS did not answer: {type(error).__name__}") from error
