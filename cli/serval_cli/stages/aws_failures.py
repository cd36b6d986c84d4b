"""Explain errors of the AWS SDK to somebody at a terminal."""

from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)

LAPTOP = "`serval local up --detach` starts a stage that needs none"
LOG_IN = f"run `aws configure` or `aws sso login`, or set AWS_PROFILE; {LAPTOP}"
NO_CREDENTIALS = (
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)
NO_CONNECTION = (ConnectionClosedError, ConnectionError, HTTPClientError)
BAD_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
NO_PERMISSION = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
)


def explain_aws(error: BaseException) -> str | None:
    """Explain an error of the AWS SDK, or return None for any other."""
    for cause in causes(error):
        if isinstance(cause, ClientError):
            return explain_answer(cause)
        if isinstance(cause, BotoCoreError):
            return explain_attempt(cause)
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, for the SDK's uploads wrap their errors."""
    current: BaseException | None = error
    while current is not None:
        yield current
        if not type(current).__module__.startswith("boto"):
            return
        current = current.__cause__ or current.__context__


def explain_answer(error: ClientError) -> str:
    """Explain an error that AWS answered with."""
    code = error.response.get("Error", {}).get("Code", "an error")
    message = error.response.get("Error", {}).get("Message") or code
    if code in BAD_CREDENTIALS:
        return f"AWS does not accept the credentials ({code}): {message}; {LOG_IN}"
    if code in NO_PERMISSION:
        return f"the AWS credentials may not do {error.operation_name}: {message}"
    return f"AWS answered {error.operation_name} with {code}: {message}"


def explain_attempt(error: BotoCoreError) -> str:
    """Explain why AWS was not asked, or did not answer."""
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, NO_CREDENTIALS):
        return f"no AWS credentials: {text}; {LOG_IN}"
    if isinstance(error, NoRegionError):
        return f"no AWS region: set AWS_REGION, or run `aws configure`; {LAPTOP}"
    if isinstance(error, InvalidRegionError):
        return f"{text}: set AWS_REGION to a region such as 'eu-central-1'"
    if isinstance(error, NO_CONNECTION):
        return f"AWS does not answer: {text}; check the network and the region"
    return f"the AWS request failed: {text}"
