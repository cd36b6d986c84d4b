"""Documents and errors as replies, never compressed: the protocol's clients take them so."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus

from serval.access.authentication import Authenticator
from serval.errors import RateLimited, ServalError, StillWaiting, TooManyBatchJobs
from serval.http.dispatch import Event, Reply
from serval.http.status import status_of
from serval.http.subjects import subjects

Headers = Mapping[str, str]
"""Names in lower case."""
JSON = "application/json"
REQUEST_ID = "x-request-id"
"""In every error's reply: the gateway's id of the call, which log lines carry as ``request``."""
RETRY_SECONDS = 1
"""When a caller may look at an open request again."""
STILL_WAITING_SECONDS = 5
"""When a caller whose request still runs may ask again."""


def text_reply(status: int, body: str, headers: Headers | None = None) -> Reply:
    """Give a reply of JSON text."""
    return {
        "statusCode": int(status),
        "headers": {"content-type": JSON, **(headers or {})},
        "body": body,
        "isBase64Encoded": False,
    }


def error_reply(
    error: ServalError,
    log: Callable[[str], object],
    event: Event,
    authenticator: Authenticator | None,
) -> Reply:
    """Answer an event with an error, and log it with what it was about if it is ours."""
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        about = subjects(error, event, authenticator)
        log(json.dumps({"level": "ERROR", "status": status, "error": str(error), **about}))
    headers = {REQUEST_ID: event["requestContext"]["requestId"], **headers_of(error)}
    return text_reply(status, json.dumps({"error": str(error)}), headers)


def headers_of(error: ServalError) -> Headers:
    """Give what an error says to a caller's program."""
    if isinstance(error, RateLimited | TooManyBatchJobs):
        return {"retry-after": str(error.retry_seconds)}
    if isinstance(error, StillWaiting):
        return {
            "retry-after": str(STILL_WAITING_SECONDS),
            "serval-request-id": error.request_id,
        }
    return {}
