"""One call in, one reply out: events of API Gateway (payload format 2.0), and what answers them."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from serval.access.admission import Authenticator
from serval.errors import (
    MalformedBody,
    PayloadTooLarge,
    RateLimited,
    ServalError,
    StillWaiting,
    TooManyBatchJobs,
)
from serval.http.status import status_of
from serval.protocol.content import (
    BINARY_LIMIT_BYTES,
    COMPRESS,
    DAMAGED,
    JSON_LIMIT_BYTES,
    MANGLED_GZIP,
    inflate,
)
from serval.protocol.limits import RequestLimits

Event = Mapping[str, Any]
Headers = Mapping[str, str]
"""Names in lower case."""
Names = Mapping[str, str]
"""Path parameters: the ``{name}`` segments of an endpoint, and what a call has there."""
Reply = dict[str, Any]
Log = Callable[[str], object]
JSON = "application/json"
REQUEST_ID = "x-request-id"
"""In every error's reply: the gateway's id of the call, which log lines carry as ``request``."""
RETRY_SECONDS = 1
"""When a caller may look at an open request again."""
STILL_WAITING_SECONDS = 5
"""When a caller whose request still runs may ask again."""
IN_PATH = re.compile(
    r"(?:(?:/v1|/v2|/async|/batch)?/models|/endpoints|/mlflow)"
    r"/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/]+))?"
)


# Not frozen: that would double the time it takes to make one, for each request.
@dataclass(slots=True)
class HttpCall:
    """One call, as its endpoint reads it."""

    event: Event
    headers: Headers
    names: Names
    document: Any = None
    """The body, once a protocol whose bodies name the model has parsed it."""
    key_hash: str | None = None
    """Of the API key that a ticket stands for; None: the headers have a key."""
    wants_stream: bool = False
    """Whether the answer is to come in pieces, which the protocol finds in the body."""
    wants_texts: bool = False
    """Whether it is several texts, which fleets write as a whole."""
    takes_stream: bool = False
    """Whether it may, where the address and the model can; nobody is redirected for it."""

    @classmethod
    def from_event(cls, event: Event) -> "HttpCall":
        """Read an event."""
        headers = {name.lower(): value for name, value in event["headers"].items()}
        return cls(event, headers, event.get("pathParameters") or {})

    @property
    def id(self) -> str:
        """The gateway's id of the call."""
        request_id: str = self.event["requestContext"]["requestId"]
        return request_id

    @property
    def method(self) -> str:
        """The HTTP method."""
        method: str = self.event["requestContext"]["http"]["method"]
        return method

    @property
    def path(self) -> str:
        """The path without the stage, which prefixes it unless the stage is ``$default``."""
        path: str = self.event["rawPath"]
        prefix = f"/{self.event['requestContext']['stage']}"
        if path == prefix or path.startswith(prefix + "/"):
            path = path.removeprefix(prefix)
        return path or "/"

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.event.get("queryStringParameters") or {}

    @property
    def model(self) -> str:
        """The model in the path; routes of one model alone spell its name out."""
        named = self.names.get("model")
        return named or str(self.event["routeKey"].partition("/models/")[2].split("/")[0])

    @property
    def version(self) -> str | None:
        """The version asked for, in the path or a header; None: the route decides."""
        return self.names.get("version") or self.headers.get("serval-model-version")

    @property
    def affinity(self) -> str:
        """What keeps a caller on one version during a rollout; empty: nothing."""
        return self.headers.get("serval-affinity", "")

    @property
    def header_length(self) -> str | None:
        """``Inference-Header-Content-Length``; None: the body is JSON alone."""
        return self.headers.get("inference-header-content-length")

    def read_body(self, limits: RequestLimits) -> str | bytes:
        """Return the body, neither base64 nor compressed.

        Raises
        ------
        MalformedBody
            If the body is empty or damaged.
        PayloadTooLarge
            If it is over the API's limits, or inflates to more than the limits.
        """
        body = decode_body(self.event.get("body"), bool(self.event.get("isBase64Encoded")))
        encoding = self.headers.get("content-encoding")
        if not encoding:
            return body
        return inflate(body, encoding, limits.inflated_limit(self.header_length))


Refuse = Callable[[ServalError, HTTPStatus, HttpCall], Reply]
"""Writes an error, given its status, in the shape that the caller's program reads."""


def decode_body(body: str | None, is_base64: bool) -> str | bytes:
    """Undo the gateway's base64.

    Raises
    ------
    MalformedBody
        If a compressed body arrived as text, or base64 is damaged.
    PayloadTooLarge
        If the body is over 5.5 MB as JSON text or 4.4 MB as bytes.
    """
    if not body:
        raise MalformedBody("the body is empty: an inference request is expected")
    if is_base64:
        if len(body) > BINARY_LIMIT_BYTES * 4 // 3 + 4:
            raise PayloadTooLarge("request body", len(body) * 3 // 4, BINARY_LIMIT_BYTES, COMPRESS)
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedBody(f"the body is not valid base64: {error}") from None
    if body.startswith(MANGLED_GZIP):
        raise MalformedBody(DAMAGED.format("compressed body was"))
    size = len(body) if body.isascii() else len(body.encode("utf-8", "surrogatepass"))
    if size > JSON_LIMIT_BYTES:
        raise PayloadTooLarge(
            "request body", size, JSON_LIMIT_BYTES, f"send binary tensors, {COMPRESS}"
        )
    return body


def refuse_in_text(error: ServalError, status: HTTPStatus, call: HttpCall) -> Reply:
    """Write an error as the Open Inference Protocol has it: ``{"error": message}``."""
    return text_reply(status, json.dumps({"error": str(error)}), error_headers(error, call))


def reply_to(
    event: Event,
    answer: Callable[[HttpCall], Reply],
    log: Log,
    authenticator: Authenticator | None,
    refuse: Refuse = refuse_in_text,
) -> Reply:
    """Answer an event; turn an error into a reply, and log it if it is Serval's own."""
    call = HttpCall.from_event(event)
    try:
        return answer(call)
    except ServalError as error:
        status = status_of(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            about = describe_failure(error, call, authenticator)
            log(json.dumps({"level": "ERROR", "status": status, "error": str(error), **about}))
        return refuse(error, status, call)


def error_headers(error: ServalError, call: HttpCall) -> Headers:
    """Return what an error's reply tells the caller's program, in whatever shape its body is."""
    headers = {REQUEST_ID: call.id}
    if isinstance(error, RateLimited | TooManyBatchJobs):
        headers["retry-after"] = str(error.retry_seconds)
    if isinstance(error, StillWaiting):
        headers["retry-after"] = str(STILL_WAITING_SECONDS)
        headers["serval-request-id"] = error.request_id
    return headers


def describe_failure(
    error: ServalError, call: HttpCall, authenticator: Authenticator | None
) -> dict[str, str]:
    """Name the request, model, version and key for a log line, as far as they are known.

    The error knows the version best, since a route may have chosen it. A key is named only if it
    is good.
    """
    found = IN_PATH.match(call.path)
    asked = found.groupdict() if found else {}
    caller = authenticator.find_cached(call.headers) if authenticator else None
    about = {
        "request": call.id,
        "model": getattr(error, "model", None) or asked.get("model"),
        "version": getattr(error, "version", None)
        or asked.get("version")
        or call.headers.get("serval-model-version"),
        "key": caller.key.name if caller and caller.key else None,
    }
    return {name: value for name, value in about.items() if value}


def text_reply(status: int, body: str, headers: Headers | None = None) -> Reply:
    """Make a reply of JSON text; it is never compressed, as the protocol's clients expect."""
    return {
        "statusCode": int(status),
        "headers": {"content-type": JSON, **(headers or {})},
        "body": body,
        "isBase64Encoded": False,
    }
