"""Documents and errors as replies, never compressed: the protocol's clients take them so.

What an error is about, for its line in the log: request, model, version and key.
"""

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from serval.access.authentication import Authenticator
from serval.errors import RateLimited, ServalError, StillWaiting, TooManyBatchJobs
from serval.http.dispatch import Event, Reply, path_after_stage
from serval.http.status import status_of

IN_PATH = re.compile(
    r"/(?:v2|async|batch)/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
)


def subjects(
    error: ServalError, event: Event, authenticator: Authenticator | None
) -> dict[str, str]:
    """Name the request, and model, version and key as far as they are known.

    The error knows them best: a route chose the version. A key is named only if it is good.
    """
    found = IN_PATH.match(path_after_stage(event))
    asked = found.groupdict() if found else {}
    headers = {name.lower(): value for name, value in event["headers"].items()}
    key = authenticator.remembered(headers) if authenticator else None
    about = {
        "request": event["requestContext"]["requestId"],
        "model": getattr(error, "model", None) or asked.get("model"),
        "version": getattr(error, "version", None)
        or asked.get("version")
        or headers.get("serval-model-version"),
        "key": key.name if key else None,
    }
    return {name: value for name, value in about.items() if value}


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
